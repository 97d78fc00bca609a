// `voxgrad bench` measures speed and memory of a training step, of inference, and of their parts: convolutions, losses,
// the distance transform, other kernels, the loader. It prints one line per number, or a table with a row for
// each part.
#include <memory>

#include "apps/benchmark/benchmark.h"
#include "apps/comparison/compare.h"
#include "apps/program/outputs.h"
#include "apps/training/config.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct BenchArguments : NetworkOptions {
  bool explain = false;
  std::string losses = "all", shape, spacing, data, augment = "default", label_map;
};

// Reads "4,256,256" as a shape of `fewest` to `most` extents.
Shape parse_shape(const std::string& text, int fewest, int most) {
  int count = 1;
  for (const char c : text) count += c == ',' || c == 'x';
  if (count < fewest || count > most)
    throw Error(ErrorKind::usage, "--shape " + text + ": takes " + std::to_string(fewest) + " to " +
                                      std::to_string(most) + " extents, separated by commas");
  return parse_sizes(text, count, "--shape");
}

// Reads the shape of a map that is halved: samples, even extents, channels.
Shape shape_of_map(const std::string& words) {
  const Shape shape = parse_shape(words, 3, 5);
  for (int axis = 1; axis + 1 < shape.dims(); ++axis)
    if (shape[axis] % 2 != 0)
      throw Error(ErrorKind::usage, text("--shape ", words, ": ", shape[axis], " cannot be halved"),
                  "write samples, even extents, channels: 4,128,128,32");
  return shape;
}

std::string cell(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fixed(value.get<double>(), value.get<double>() < 10 ? 3 : 1);
  return value.dump();
}

void show(const Json& result, const Common& common) {
  if (common.json) return print_json(result);
  if (!result.is_array()) {
    for (const auto& [name, value] : result.items()) print_text(name + "  " + cell(value) + "\n");
    return;
  }
  if (result.empty()) return;
  std::vector<std::string> names;
  for (const auto& [name, value] : result[0].items()) names.push_back(name);
  Table table(names, 2);
  for (const Json& row : result) {
    std::vector<std::string> cells;
    for (const std::string& name : names) cells.push_back(cell(row.at(name)));
    table.row(cells);
  }
  print_text(table.str());
}

void add_network_options(CLI::App& verb, BenchArguments& a) {
  verb.add_option("--dims", a.dims, "spatial axes")->check(CLI::IsMember({2, 3}));
  verb.add_option("--base", a.base, "channels of the first level")->check(CLI::Range(1, 4096));
  verb.add_option("--depth", a.depth, "levels of the U-Net")->check(CLI::Range(1, 10));
  verb.add_option("--max-channels", a.max_channels, "channels of a level at most; 0: no limit")
      ->check(CLI::Range(0, 65536));
  verb.add_option("--norm", a.norm, "normalisation layers: batch, instance, group or none");
  verb.add_flag("--residual", a.residual, "residual blocks");
  verb.add_flag("--amp", a.amp, "feature maps in bf16, on a GPU");
  verb.add_option("--channels", a.channels, "channels of the input")->check(CLI::Range(1, 65536));
  verb.add_option("--batch", a.batch, "images per step; 0: 4, or 1 volume")->check(CLI::Range(0, 65536));
  verb.add_option("--patch", a.patch, "extents, 128 or 96x96x64; empty: 128 in 2-D, 48 in 3-D");
  verb.add_option("--weights", a.weights, "safetensors file to start from (PyTorch's names)");
}

void add_training_options(CLI::App& verb, BenchArguments& a) {
  add_network_options(verb, a);
  verb.add_option("--loss", a.loss, "the loss as text");
  verb.add_option("--optimizer", a.optimizer, "adamw, adam or sgd");
}

}  // namespace

void add_bench(Program& program) {
  CLI::App& bench = program.verb("bench", "speed and peak memory of training, inference and their parts", [] {});
  bench.require_subcommand(1);
  const auto add = [&](const char* name, const char* summary, auto run) -> std::pair<CLI::App&, BenchArguments&> {
    const auto arguments = std::make_shared<BenchArguments>();
    CLI::App& verb = program.verb(
        name, summary,
        [arguments, run, &program] {
          const Common& common = program.common();
          arguments->device = common.get_device();
          arguments->seed = common.seed;
          require_output("--dump", arguments->dump, ".safetensors", {arguments->weights});
          show(run(*arguments), common);
        },
        &bench);
    verb.add_option("--repeats", arguments->repeats, "counted runs; 0: as many as fit into a second, 5 to 100")
        ->check(CLI::Range(0, 1000000));
    verb.add_option("--classes", arguments->classes, "classes; 1: one sigmoid channel")->check(CLI::Range(1, 255));
    return {verb, *arguments};
  };

  const auto train = add("train", "a training step", [](const BenchArguments& a) {
    if (!a.dump.empty()) write_dump(a);
    return bench_train(a);
  });
  add_training_options(train.first, train.second);
  train.first.add_option("--dump", train.second.dump,
                         "also write weights, inputs and results of one step into this .safetensors file, for the same "
                         "network in another framework");

  const auto infer = add("infer", "a forward pass without a graph", bench_infer);
  add_network_options(infer.first, infer.second);

  const auto memory = add("memory", "how the memory of the tensors moves in one training step", bench_memory);
  memory.first.remove_option(memory.first.get_option("--repeats"));
  add_training_options(memory.first, memory.second);

  const auto conv = add("conv", "each convolution of the network, in its three passes",
                        [](const BenchArguments& a) { return bench_conv(a, a.explain); });
  add_network_options(conv.first, conv.second);
  conv.first.add_flag("--explain", conv.second.explain, "which kernel each takes and why, without times")
      ->excludes(conv.first.get_option("--repeats"));

  const auto losses = add("losses", "value and gradient of losses", [](const BenchArguments& a) {
    return bench_losses(a, parse_losses(a.losses), parse_shape(a.shape, 2, 4), a.classes);
  });
  losses.second.shape = "4,256,256";
  losses.first.add_option("--losses", losses.second.losses, "losses as text, separated by commas, or `all`");
  losses.first.add_option("--dump", losses.second.dump, "also write logits and labels into this .safetensors file");
  losses.first.add_option("--shape", losses.second.shape, "of the labels: samples, then extents");

  const auto kernels = add("kernels", "kernels that move maps, against a copy",
                           [](const BenchArguments& a) { return bench_kernels(a, shape_of_map(a.shape), a.amp); });
  kernels.first.remove_option(kernels.first.get_option("--classes"));
  kernels.second.shape = "4,128,128,32";
  kernels.first.add_option("--shape", kernels.second.shape, "of the map: samples, even extents, channels");
  kernels.first.add_flag("--amp", kernels.second.amp, "feature maps in bf16, on a GPU");

  const auto loader =
      add("loader", "batches of a dataset, made by 0 (the caller), 1 and 2 threads, and each kind of change",
          [](const BenchArguments& a) { return bench_loader(a, a.data, a.augment, a.patch, a.batch, a.label_map); });
  loader.first.remove_option(loader.first.get_option("--classes"));
  loader.first.add_option("data", loader.second.data, "dataset file")->required();
  loader.first.add_option("--label-map", loader.second.label_map, "as in `train`");
  loader.first.add_option("--augment", loader.second.augment, "as in `train`");
  loader.first.add_option("--patch", loader.second.patch, "as in `train`");
  loader.first.add_option("--batch", loader.second.batch, "as in `train`");

  const auto distance = add("distance", "the exact Euclidean distance transform", [](const BenchArguments& a) {
    if (a.classes < 2) throw Error(ErrorKind::usage, "--classes 1: at least 2, background and one more");
    const Shape extents = parse_shape(a.shape, 1, 3);
    const std::string spacing = a.spacing.empty() ? "1" : a.spacing;
    return bench_distance(a, extents, a.classes, parse_spacing(spacing, extents.dims()));
  });
  distance.second.shape = "128,128,128";
  distance.first.add_option("--dump", distance.second.dump,
                            "also write labels and distances into this .safetensors file");
  distance.first.add_option("--shape", distance.second.shape, "extents of the image or volume");
  distance.first.add_option("--spacing", distance.second.spacing, "between voxels, per axis; empty: 1");
}

}  // namespace voxgrad::apps
