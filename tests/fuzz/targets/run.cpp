// The files of a run, as the report, the live page and the doctor read them. The first letter of an input says which
// file it is: r run.json, l log.jsonl, s live/state.json, m metrics.csv. The others are good.
#include "apps/doctor/run_files.h"
#include "apps/live/state.h"
#include "apps/report/run_record.h"
#include "apps/training/config.h"
#include "nn/inference/model.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

Json manifest(const std::string& exit_reason) {
  apps::TrainConfig config;
  config.steps = 2;
  Json json{{"version", "0"},
            {"compiler", "c"},
            {"build", "b"},
            {"cpu", "c"},
            {"threads", 2},
            {"command", "train"},
            {"exit_reason", exit_reason},
            {"dataset", {{"path", "d.h5"}, {"images_crc32", 1}, {"labels_crc32", 2}}},
            {"split", {{"train", 3}, {"val", 2}, {"test", 1}}},
            {"config", apps::to_json(config)},
            {"classes", {"background", "cell"}},
            {"epochs", 1},
            {"device", "cpu"},
            {"parameters", 450},
            {"steps", 2},
            {"seconds", 1.5},
            {"peak_memory_bytes", 1000},
            {"peak_tensor_bytes", 1000},
            {"warnings", {"one"}}};
  if (exit_reason != "finished") return json;
  json["results"] = Json::parse(R"({"test":{"dice_mean":0.2,"dice":{"1":0.2}},"history":[{"epoch":1,"step":2,"loss":1.3,
      "lr":0.001,"val_dice":0.2,"val_classes":[0.2]}],"test_cases":[{"id":"a","diagonal_mm":9.5,"tau_mm":1.0,
      "calibration_error":0.2,"classes":{"1":{"dice":0.2,"jaccard":0.1,"sensitivity":0.2,"precision":0.3,
      "specificity":0.9,"volume_similarity":0.6,"relative_volume_difference":-0.5,"region_proportion_error":0.1,
      "mcc":0.1,"hd":"Infinity","hd95":18.5,"hd95_pooled":14.0,"assd":3.2,"masd":2.9,"nsd":"NaN","tp":3,"fp":6,"fn":1,
      "tn":6}},"objects":{"1":[[54.0,0.5]]}}]})");
  return json;
}

const char* const kLog =
    "{\"event\":\"start\",\"step\":0,\"command\":\"train\"}\n"
    "{\"event\":\"epoch\",\"epoch\":1,\"step\":2,\"loss\":1.3,\"lr\":0.001,\"val_dice\":0.2,\"val_classes\":[0.2]}\n";
const char* const kState = R"({"steps":2,"epochs":1,"step":1,"seconds":3,"time":5,"colours":["#000000","#ff0000"],
    "loss":[[1,0.5],[2,"NaN"]],"lr":0.1,"rate":2.5,"messages":["m"],"warnings":["w"],
    "pictures":{"step":1,"cases":["case a"]}})";
const char* const kMetrics = "epoch,step,lr,loss,val_dice,\"val_dice_a\"\"b\"\n1,2,0.001,1.3,,0.2\n";

// A run that is not finished, because then its log is read.
class RunFolder {
 public:
  RunFolder() {
    nn::Model model;
    model.spec.net.base = 1;
    model.spec.net.depth = 2;
    model.spec.window = {4, 4};
    model.spec.class_names = {"background", "cell"};
    model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
    nn::save_model(file("best.safetensors"), model);
    std::filesystem::create_directory(file("live"));
    put('r', manifest("running").dump());
    put('l', kLog);
    put('s', kState);
    put('m', kMetrics);
  }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string path() const { return folder_.file(""); }
  void put(char kind, const std::string& bytes) const {
    write_bytes(file(kind == 'r'   ? "run.json"
                     : kind == 'l' ? "log.jsonl"
                     : kind == 's' ? "live/state.json"
                                   : "metrics.csv"),
                bytes);
  }

 private:
  Folder folder_;
};

}  // namespace

std::vector<std::string> voxgrad::test::seeds() {
  return {"r" + manifest("running").dump(), "r" + manifest("finished").dump(), std::string("l") + kLog,
          std::string("s") + kState, std::string("m") + kMetrics};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const RunFolder run;
  static char before = 'r';
  const char kind = size == 0 ? '\0' : static_cast<char>(data[0]);
  if (kind != 'r' && kind != 'l' && kind != 's' && kind != 'm') return 0;
  if (kind != before)
    run.put(before, before == 'r'   ? manifest("running").dump()
                    : before == 'l' ? kLog
                    : before == 's' ? kState
                                    : kMetrics);
  before = kind;
  run.put(kind, test::text_of(data + 1, size - 1));
  read_or_refuse([&] { apps::read_run(run.path()); });
  read_or_refuse([&] { apps::to_json(apps::read_live_run(run.path())); });
  std::vector<apps::Finding> findings;
  read_or_refuse([&] { apps::read_run(run.path(), Device::cpu, findings); });
  return 0;
}
