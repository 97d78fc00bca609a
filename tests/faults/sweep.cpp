// Lets single calls of the system fail while a verb works, and looks at what is left: fault_sweep LIBRARY [COUNT [VERB
// [KIND]]]. COUNT faults are spread evenly over all; with 0 every call fails once. After each fault
//   - the program has ended by itself, in time, with a documented exit code, and has named the file at fault;
//   - after exit code 0 the files are those of an undisturbed run, and no temporary one is left; a page may say that
//     it has no pictures, and HDF5 may have stored values without compressing them;
//   - after any other end, an output is whole, or the one from before, or absent;
//   - the same command, or --resume, makes the files of the undisturbed run out of what is there.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>

#include "apps/live/server.h"
#include "data/dataset.h"
#include "data/formats/image.h"
#include "data/h5/h5.h"
#include "engine/ops.h"
#include "tests/apps/support.h"
#include "tests/faults/state.h"

using namespace voxgrad;
using namespace voxgrad::test;
namespace fs = std::filesystem;

namespace {

using faults::Kind;
using Words = std::vector<std::string>;
using Files = std::map<std::string, std::string>;  // bytes by name; a name that is absent is a file that is absent

constexpr unsigned kSeconds = 60;    // that a verb may take
constexpr int kOfMemory = 300;       // allocations that fail, evenly spread
constexpr const char* kThin = "16";  // faults of the sweep in the suite

struct Action {
  Kind kind;
  const char* name;
  int error;  // 0: the name says it
  bool always;
  bool harmless;  // the program has to cope with it
};
const Action kActions[]{
    {faults::kMemory, "ENOMEM", ENOMEM, false, false}, {faults::kMemory, "ENOMEM", ENOMEM, true, false},
    {faults::kWrite, "ENOSPC", ENOSPC, true, false},   {faults::kWrite, "EIO", EIO, false, false},
    {faults::kWrite, "short", 0, false, true},         {faults::kWrite, "EINTR", EINTR, false, true},
    {faults::kWrite, "kill", 0, false, false},         {faults::kSync, "EIO", EIO, false, false},
    {faults::kSync, "EINTR", EINTR, false, true},      {faults::kSync, "kill", 0, false, false},
    {faults::kRename, "EIO", EIO, false, false},       {faults::kRename, "kill", 0, false, false},
    {faults::kOpen, "EMFILE", EMFILE, false, false},   {faults::kOpen, "EIO", EIO, true, false},
    {faults::kOpen, "kill", 0, false, false},          {faults::kRead, "EIO", EIO, false, false},
    {faults::kRead, "short", 0, false, true},          {faults::kRead, "EINTR", EINTR, false, true},
    {faults::kThread, "EAGAIN", EAGAIN, false, false}, {faults::kThread, "EAGAIN", EAGAIN, true, false},
};

// A command that works in the folder @ and may find files there before. `again` is the command that makes its files out
// of what a fault has left.
struct Verb {
  std::string name;
  Words words, outputs;
  std::string before = "";  // a folder whose content is copied to @
};

struct Fault {
  std::size_t verb;
  const Action* action;
  long at;
};

// All values below a group of an HDF5 file, with their paths.
std::string values_in(const data::h5::File& file, const std::string& group) {
  std::string all;
  for (const std::string& name : file.children(group)) {
    const std::string path = (group == "/" ? "" : group) + "/" + name;
    all += path + '\n';
    if (file.is_group(path)) {
      all += values_in(file, path);
      continue;
    }
    const data::h5::Array array = file.array(path);
    if (array.element() == data::h5::Element::string) {
      for (const std::string& one : array.read_strings()) all += one + '\n';
      continue;
    }
    std::vector<double> values(static_cast<std::size_t>(array.extents().numel()));
    array.read_all(data::h5::Element::f64, values.data());
    all.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  }
  return all;
}

// HDF5 stores values as they are if a filter of theirs finds no memory.
bool same_values(const std::string& a, const std::string& b) {
  const Folder folder;
  write_bytes(folder.file("a.h5"), a);
  write_bytes(folder.file("b.h5"), b);
  return values_in(data::h5::File::open(folder.file("a.h5")), "/") ==
         values_in(data::h5::File::open(folder.file("b.h5")), "/");
}

class Sweep {
 public:
  explicit Sweep(const char* library) : library_(library) {
    write_bytes(shared_.file("state"), std::string(sizeof(faults::State), '\0'));
    const int file = ::open(shared_.file("state").c_str(), O_RDWR | O_CLOEXEC);
    void* const page = ::mmap(nullptr, sizeof(faults::State), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (page == MAP_FAILED) throw std::runtime_error("mmap");
    state_ = new (page) faults::State;
    prepare();
  }

  // All faults, or those of one verb or kind.
  std::vector<Fault> faults(const std::string& verb, const std::string& kind);
  // Returns what is wrong after a fault; empty if nothing is.
  std::string complaint(const Fault& fault);
  long died_in_hdf5 = 0;  // of a failed allocation, which is a fault of its own
  std::string describe(const Fault& fault) const {
    return text(verbs_[fault.verb].name, ": ", faults::kNames[fault.action->kind], " ", fault.at, " ",
                fault.action->name, fault.action->always ? " from then on" : "");
  }

 private:
  void prepare();
  Outcome run(const Words& words, const Fault* fault);
  void begin(const Verb& verb) const;
  Files files(const Verb& verb) const;
  Words again(const Verb& verb) const;
  std::string after(const Verb& verb, const Outcome& outcome, const Files& before, bool harmless);

  const std::string library_;
  const Folder shared_, folder_;
  const std::string trial_ = folder_.file("trial");
  faults::State* state_ = nullptr;
  std::vector<Verb> verbs_;
  std::vector<Files> wanted_;
  std::vector<std::array<long, faults::kKinds>> calls_;
};

Outcome Sweep::run(const Words& words, const Fault* fault) {
  for (std::atomic<long>& calls : state_->calls) calls = 0;
  state_->faults = 0;
  state_->hdf5 = false;
  state_->path = {};
  Words placed = words;
  for (std::string& word : placed)
    if (const std::size_t at = word.find('@'); at != std::string::npos) word.replace(at, 1, trial_);
  return program(placed, [&] {
    const auto set = [](const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); };
    ::alarm(kSeconds);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    set("VOXGRAD_THREADS", "2");
    set("LD_PRELOAD", library_);
    set("FAULT_UNDER", folder_.file(""));
    set("FAULT_STATE", shared_.file("state"));
    if (fault == nullptr) return;
    const Action& action = *fault->action;
    set("FAULT_KIND", faults::kNames[action.kind]);
    set("FAULT_AT", std::to_string(fault->at));
    set("FAULT_ACTION", action.error != 0 ? std::to_string(action.error) : action.name);
    if (action.always) set("FAULT_ALWAYS", "1");
  });
}

void Sweep::begin(const Verb& verb) const {
  fs::remove_all(trial_);
  fs::create_directories(trial_);
  if (!verb.before.empty()) fs::copy(verb.before, trial_, fs::copy_options::recursive);
}

Files Sweep::files(const Verb& verb) const {
  Files found;
  for (const std::string& name : verb.outputs)
    if (fs::is_regular_file(trial_ + "/" + name)) found[name] = bytes_of(trial_ + "/" + name);
  return found;
}

Words Sweep::again(const Verb& verb) const {
  if (verb.words[0] != "train") return verb.words;
  const bool saved = fs::exists(trial_ + "/run/last.safetensors") || fs::exists(trial_ + "/run/previous.safetensors");
  return saved ? Words{"train", "--resume", "@/run"} : verb.words;
}

void Sweep::prepare() {
  const std::string data = phantom_file(folder_, "nuclei2d", 10, {16, 16}), run = folder_.file("given/run");
  const auto require = [&](const Words& words) {
    const Outcome outcome = this->run(words, nullptr);
    if (outcome.code != 0) throw std::runtime_error(text(words[0], " failed undisturbed: ", outcome.err));
  };
  const auto trains = [&](const std::string& verb, const std::string& to, const Words& more) {
    Words words{verb, data, "-o", to, "--base", "2", "--depth", "2", "--batch", "1", "--patch", "16"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const Words one{"--steps", "25", "--loss", "dice_ce"}, two{"--steps", "2", "--losses", "dice,ce", "--jobs", "1"};
  fs::create_directories(folder_.file("given"));
  require(trains("train", run, one));
  require(trains("compare", folder_.file("compared/all"), two));
  // A run that was killed between its two epochs, when it renamed its 10th file, and older outputs.
  const Action kill{faults::kRename, "kill", 0, false, false};
  const Fault killed{0, &kill, 10};
  const std::string half = folder_.file("half"), old = folder_.file("old"), photos = folder_.file("photos");
  for (const std::string& made : {half, old, old + "/masks", photos, photos + "/images", photos + "/masks"})
    fs::create_directories(made);
  this->run(trains("train", half + "/run", one), &killed);
  if (!fs::exists(half + "/run/last.safetensors")) throw std::runtime_error("killed too early");
  const data::Dataset cases = data::Dataset::open(data);
  for (std::int64_t i = 0; i < 3; ++i) {
    const data::Case read = cases.read(i);
    data::Image picture;
    picture.element = data::h5::Element::u8;
    picture.spacing = {1, 1};
    picture.values = read.image.to(DType::u8);
    data::write_image(photos + text("/images/", i, ".png"), picture);
    picture.values = reshape(read.label, {16, 16, 1});
    data::write_image(photos + text("/masks/", i, ".png"), picture);
    write_bytes(old + text("/masks/", i, ".png"), "old");
  }
  for (const char* name : {"out.h5", "d.h5", "model.onnx"}) write_bytes(old + "/" + name, "old");
  const Words checkpoints{"run/last.safetensors", "run/best.safetensors", "run/metrics.csv", "run/curves.svg"};
  const Words masks{"masks/0.png", "masks/1.png", "masks/2.png"};
  verbs_ = {
      {"train", trains("train", "@/run", one), checkpoints},
      {"resume", {"train", "--resume", "@/run"}, checkpoints, half},
      {"predict", {"predict", run, data, "-o", "@/out.h5", "--probabilities", "--overwrite"}, {"out.h5"}, old},
      {"predict pictures", {"predict", run, photos + "/images", "-o", "@/masks", "--overwrite"}, masks, old},
      {"evaluate", {"evaluate", run, data, "--split", "test"}, {}},
      {"compare", trains("compare", "@/all", two), {"all/results.csv"}},
      {"report", {"report", "@/all"}, {"all/report.html"}, folder_.file("compared")},
      {"report of a run", {"report", "@/run"}, {"run/report.html"}, folder_.file("given")},
      {"import", {"import", photos, "-o", "@/d.h5", "--overwrite"}, {"d.h5"}, old},
      {"export", {"export", run, "-o", "@/model.onnx", "--overwrite"}, {"model.onnx"}, old},
      {"export pictures", {"export", data, "-o", "@/masks", "--as", "png", "--overwrite"}, {"masks/case_000.png"}},
      {"synth", {"synth", "nuclei2d", "-o", "@/n.h5", "--cases", "4", "--size", "16x16"}, {"n.h5"}},
      {"inspect", {"inspect", data, "--preview", "@/p.png"}, {"p.png"}},
  };
  if (apps::has_live_server()) {
    const Words watched{"--steps", "25", "--loss", "dice_ce", "--watch", "0"};
    verbs_.push_back({"train with a page", trains("train", "@/run", watched), checkpoints});
  }
  for (const Verb& verb : verbs_) {
    begin(verb);
    const Outcome outcome = this->run(verb.words, nullptr);
    wanted_.push_back(files(verb));
    if (outcome.code != 0 || wanted_.back().size() != verb.outputs.size())
      throw std::runtime_error(text(verb.name, " failed undisturbed: ", outcome.code, " ", outcome.err));
    std::array<long, faults::kKinds>& calls = calls_.emplace_back();
    for (std::size_t kind = 0; kind < calls.size(); ++kind) calls[kind] = state_->calls[kind];
  }
}

std::vector<Fault> Sweep::faults(const std::string& verb, const std::string& kind) {
  std::vector<Fault> result;
  for (std::size_t v = 0; v < verbs_.size(); ++v)
    for (const Action& action : kActions) {
      if ((!verb.empty() && verb != verbs_[v].name) || (!kind.empty() && kind != faults::kNames[action.kind])) continue;
      const long count = calls_[v][action.kind],
                 stride = action.kind == faults::kMemory ? std::max(1L, count / kOfMemory) : 1;
      for (long at = 1; at <= count; at += stride) result.push_back({v, &action, at});
    }
  return result;
}

// What is wrong with the end of a process and with what it left.
std::string Sweep::after(const Verb& verb, const Outcome& outcome, const Files& before, bool harmless) {
  const Files &found = files(verb), &wanted = wanted_[static_cast<std::size_t>(&verb - verbs_.data())];
  for (const auto& entry : fs::recursive_directory_iterator(trial_))
    if (outcome.code == 0 && entry.path().extension() == ".tmp") return "left " + entry.path().string();
  for (const std::string& name : verb.outputs) {
    const auto is = [&](const Files& these) {
      return found.contains(name) == these.contains(name) &&
             (!found.contains(name) || found.at(name) == these.at(name));
    };
    const bool whole = is(wanted);
    if (outcome.code == 0 && state_->hdf5 && name.ends_with(".h5") && found.contains(name) &&
        same_values(found.at(name), wanted.at(name)))
      continue;
    // A page that lacks pictures says why, unless the program has to cope with the fault.
    if (outcome.code == 0 && state_->faults > 0 && !harmless && found.contains(name) &&
        contains(found.at(name), "<p>No pictures of"))
      continue;
    // A training leaves checkpoints of every step; what is made of them is compared.
    if (!whole && (outcome.code == 0 || (verb.words[0] != "train" && !is(before)))) return "wrong " + name;
  }
  return "";
}

std::string Sweep::complaint(const Fault& fault) {
  const Verb& verb = verbs_[fault.verb];
  const Action& action = *fault.action;
  begin(verb);
  const Files before = files(verb);
  const Outcome outcome = run(verb.words, &fault);
  const std::string path(state_->path.data()), said = text("exit ", outcome.code, ": ", outcome.err);
  const bool happened = state_->faults > 0, kill = std::string(action.name) == "kill";
  if (!happened && outcome.code != 0) return "without a fault " + said;
  if (state_->hdf5 && (outcome.code == 255 || outcome.code == 256 + SIGSEGV || outcome.code == 256 + SIGABRT)) {
    ++died_in_hdf5;
    return "";
  }
  // The process that looks at a file first cannot say that its fault is not one of the file.
  const bool reader = outcome.code == 3 && contains(outcome.err, "; it is damaged or hostile") &&
                      (kill || action.kind == faults::kMemory);
  if (happened && kill && !reader && outcome.code != 256 + SIGKILL) return "was not killed: " + said;
  if (!kill && outcome.code != 0) {
    if (action.harmless) return "did not cope: " + said;
    const int expected = action.kind == faults::kMemory || action.kind == faults::kThread ? 6 : 5;
    if (outcome.code != expected && !reader) return text("expected exit ", expected, ": ", said);
    const fs::path file(path);
    const std::string name = (file.extension() == ".tmp" ? file.stem() : file.filename()).string();
    if (expected == 5 && !action.always && !contains(outcome.err, name)) return "does not name " + path + ": " + said;
  }
  if (const std::string wrong = after(verb, outcome, before, action.harmless); !wrong.empty())
    return wrong + " after " + said;
  if (outcome.code == 0) return "";
  const Outcome second = run(again(verb), nullptr);
  if (second.code != 0) return text("cannot go on: exit ", second.code, ": ", second.err, " after ", said);
  if (const std::string wrong = after(verb, second, before, true); !wrong.empty())
    return wrong + " in the end, after " + said;
  return "";
}

}  // namespace

int main(int count, char** words) try {
  const auto word = [&](int i) { return std::string(i < count ? words[i] : ""); };
  if (count < 2) return std::fputs("fault_sweep LIBRARY [COUNT [VERB [KIND]]]\n", stderr), 2;
  Sweep sweep(words[1]);
  std::vector<Fault> faults = sweep.faults(word(3), word(4));
  if (count == 2)  // libhdf5 1.10.8 itself crashes at some allocations, so the suite takes them from a verb without it
    std::erase_if(faults, [&](const Fault& fault) {
      return fault.action->kind == Kind::kMemory && !sweep.describe(fault).starts_with("export: ");
    });
  const std::size_t most = std::stoul(count > 2 ? words[2] : kThin),
                    stride = most == 0 ? 1 : std::max<std::size_t>(1, faults.size() / most);
  std::size_t tried = 0, wrong = 0;
  for (std::size_t i = stride / 2; i < faults.size(); i += stride, ++tried) {
    const std::string complaint = sweep.complaint(faults[i]);
    if (complaint.empty()) continue;
    ++wrong;
    std::printf("%s: %s\n", sweep.describe(faults[i]).c_str(), complaint.c_str());
    std::fflush(stdout);
  }
  std::printf("%zu faults of %zu tried, %zu ended wrong; HDF5 itself died of %ld\n", tried, faults.size(), wrong,
              sweep.died_in_hdf5);
  return wrong == 0 && tried > 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
