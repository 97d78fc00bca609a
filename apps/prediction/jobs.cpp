#include "apps/prediction/jobs.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "data/dataset.h"
#include "data/exchange/output.h"
#include "data/h5/h5.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;
using data::Kind;

// The result must be one of these endings; the file is made only if it is.
constexpr const char* kEndings =
    "known endings are .h5, .png, .tif, .nii.gz and .nii; for a folder end the name with /";

// Adds the other channels of a case to its first file: CASE_0001 and so on beside CASE_0000. Where there are more than
// the model takes, or each file has all of them, the numbers are those of cases.
void find_channels(data::Source& source, std::int64_t channels, const std::string& axes) {
  constexpr std::string_view kFirst = "_0000";
  const std::string first = source.images.front(), stem = data::stem_of(first);
  if (source.images.size() != 1 || !stem.ends_with(kFirst)) return;
  const std::string head = stem.substr(0, stem.size() - kFirst.size()),
                    ending = fs::path(first).filename().string().substr(stem.size());
  const auto file_of = [&](std::int64_t channel) {
    const std::string number = std::to_string(10000 + channel).substr(1);
    return (fs::path(first).parent_path() / (head + "_" + number + ending)).string();
  };
  if (!fs::exists(file_of(1))) {  // all channels are in it: colours, or along a fourth axis
    if (data::kind_of_name(first) == Kind::nifti) source.id = head;  // as in a folder; pictures are numbered
    return;
  }
  if (fs::exists(file_of(channels)) || data::has_channels(first, channels, axes)) return;
  for (std::int64_t c = 1; c < channels; ++c) {
    const std::string path = file_of(c);
    if (!fs::exists(path))
      throw Error(ErrorKind::data,
                  text(first, ": the model takes ", channels, " channels, and ", path, " is not there"),
                  "the channels of a case are CASE_0000, CASE_0001, ..");
    source.images.push_back(path);
  }
  source.id = head;
}

// A file that is a channel of another input is no input of its own: people name all files of a case.
void drop_channels(std::vector<Job>& jobs) {
  std::set<fs::path> taken;
  for (const Job& job : jobs)
    for (std::size_t i = 1; job.source && i < job.source->images.size(); ++i)
      taken.insert(fs::path(job.source->images[i]).lexically_normal());
  std::erase_if(jobs, [&](const Job& job) {
    return job.source && job.source->images.size() == 1 && taken.contains(fs::path(job.input).lexically_normal());
  });
}

std::vector<Job> find(const std::string& input, const JobOptions& options) {
  if (!fs::exists(data::file_of(input))) throw Error(ErrorKind::io, input + ": there is no such file or folder");
  if (!fs::is_directory(input) && data::is_dataset(input)) return {{input, "", std::nullopt}};
  std::vector<Job> jobs;
  data::DiscoverOptions how;
  how.labels = false;
  how.axes = options.axes;
  how.channels = options.channels;
  const data::Discovery found = data::discover({input}, how);
  for (const std::string& words : found.notes)  // others are about the cases of a dataset
    if (options.note && words.find("left alone") != std::string::npos) options.note(words);
  for (data::Source source : found.cases) {
    if (!fs::is_directory(input)) find_channels(source, options.channels, options.axes);
    const std::string& first = source.images.front();
    jobs.push_back({first, "", source});
  }
  if (jobs.empty()) throw Error(ErrorKind::data, input + ": no images in it", data::kKindsRead);
  return jobs;
}

// The kind of an input. One that is damaged, or not what its name says, is refused when its turn comes, so that it
// holds up no other.
Kind kind_of_input(const std::string& input) {
  const std::string file = data::file_of(input);
  try {
    return data::kind_of_file(file);
  } catch (const Error& error) {
    const std::optional<Kind> named = data::kind_of_name(file);
    if (error.kind() != ErrorKind::data || !named) throw;
    return *named;
  }
}

// The name of an output in a folder: that of the input, with the ending of the kind in which its mask is written.
std::string name_in_folder(const Job& job) {
  if (!job.source) return fs::path(job.input).filename().string();
  return job.source->id + data::ending_of(data::mask_kind(kind_of_input(job.input)));
}

void require_kind(const Job& job, const JobOptions& options) {
  const std::optional<Kind> kind = data::kind_of_name(job.output);
  if (!kind) throw Error(ErrorKind::usage, "predict: " + job.output + " has no known ending", kEndings);
  if (const char* reason = data::why_unwritten(*kind))
    throw Error(ErrorKind::usage, text("predict: no mask is written as ", job.output, ": ", reason),
                "use the ending .png");
  const Kind from = kind_of_input(job.input);
  if (job.source && *kind == Kind::png && options.dims == 3 &&
      (from == Kind::nifti || from == Kind::tiff || from == Kind::hdf5))
    throw Error(ErrorKind::usage, "predict: " + job.output + ": a PNG holds no volume",
                "use the ending .nii.gz, .tif or .h5");
  if (!job.source && *kind != Kind::hdf5)
    throw Error(ErrorKind::usage,
                text("predict: the input ", job.input, " is a dataset, ", job.output, " is ", data::name_of(*kind)),
                "write the predictions as .h5; `voxgrad export` makes images of them");
  if (options.logits && job.source)
    throw Error(ErrorKind::usage,
                "predict: --logits are written for datasets with labels, " + job.input + " is an image",
                "`voxgrad import` makes a dataset of images and masks");
  if (options.split != "all" && job.source)
    throw Error(ErrorKind::usage, "predict: --split chooses cases of a dataset, " + job.input + " is an image");
}

// What a file is, by whatever name; nothing if it is not there.
std::optional<std::pair<dev_t, ino_t>> identity(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

// Whether a file is the result of an earlier prediction, which can be made again.
bool is_prediction(const std::string& path) {
  try {
    const data::h5::Group root = data::h5::File::open(path).group("/");
    return root.has_attribute("format") && (root.string_attribute("format") == "voxgrad-prediction" ||
                                            root.string_attribute("format") == "voxgrad-logits");
  } catch (const Error&) {
    return false;
  }
}

void require_apart(const std::vector<Job>& jobs, const std::vector<std::string>& kept, bool named,
                   const JobOptions& options) {
  std::map<std::string, std::string> writer;  // output -> input
  std::set<std::pair<dev_t, ino_t>> models, inputs;
  for (const std::string& file : kept)
    if (const auto known = identity(file)) models.insert(*known);
  for (const Job& job : jobs)
    for (const std::string& file : job.source ? job.source->images : std::vector<std::string>{job.input})
      if (const auto known = identity(data::file_of(file))) inputs.insert(*known);
  const auto claim = [&](const std::string& output, const Job& job) {
    const auto [other, is_new] = writer.emplace(fs::path(output).lexically_normal().string(), job.input);
    if (!is_new)
      throw Error(ErrorKind::usage,
                  text("predict: ", other->second, " and ", job.input, " would both be written to ", output),
                  "predict them one after the other, each into a folder of its own");
    const auto there = identity(output);
    if (!there) return;
    if (fs::is_directory(output)) throw Error(ErrorKind::usage, "predict: " + output + " is a folder");
    if (models.contains(*there))
      throw Error(ErrorKind::usage, "predict: " + output + " is the model", "choose another file with -o");
    if (inputs.contains(*there))
      throw Error(ErrorKind::usage, "predict: " + output + " is the input", "choose another file with -o");
    if (options.overwrite || (named && is_prediction(output))) return;
    throw Error(ErrorKind::usage, "predict: " + output + " exists already",
                "choose another name with -o, or replace what is there with --overwrite");
  };
  for (const Job& job : jobs) {
    claim(job.output, job);
    if (!job.source) {
      if (options.overlay && fs::exists(job.overlay()) && !options.overwrite)
        throw Error(ErrorKind::usage, "predict: " + job.overlay() + " exists already",
                    "choose another name with -o, or replace its pictures with --overwrite");
      continue;
    }
    if (options.overlay) claim(job.overlay(), job);
    if (options.probabilities && data::kind_of_name(job.output) != Kind::hdf5)
      for (const std::string& file : data::probability_files(job.output, options.class_names)) claim(file, job);
  }
}

}  // namespace

std::string Job::overlay() const {
  return (fs::path(output).parent_path() / (data::stem_of(output) + (source ? "_overlay.png" : "_overlays"))).string();
}

std::vector<Job> plan_jobs(const std::vector<std::string>& inputs, const std::vector<std::string>& kept,
                           const JobOptions& options) {
  if (options.out.empty()) throw Error(ErrorKind::usage, "predict: -o is empty", "name a file or a folder");
  std::vector<Job> jobs;
  for (const std::string& input : inputs)
    for (Job& job : find(input, options)) jobs.push_back(std::move(job));
  drop_channels(jobs);
  if (!options.axes.empty() && std::none_of(jobs.begin(), jobs.end(), [](const Job& job) { return job.source; }))
    throw Error(ErrorKind::usage, "predict: --axes is for images, " + inputs.front() + " is a dataset, which says it",
                "leave --axes out");
  const std::string& out = options.out;
  const bool several = jobs.size() > 1 || fs::is_directory(inputs.front());
  const bool folder = fs::is_directory(out) || out.ends_with('/') || fs::path(out).extension().empty();
  if (several && !folder)
    throw Error(ErrorKind::usage,
                text("predict: ", out, " is one file, ",
                     jobs.size() > 1 ? text("there are ", jobs.size(), " inputs") : inputs.front() + " is a folder"),
                "name a folder with -o");
  if (const fs::path parent = fs::path(out).parent_path(); !folder && !parent.empty() && !fs::is_directory(parent))
    throw Error(ErrorKind::io, "predict: -o " + out + ": there is no folder " + parent.string(),
                "make the folder first");
  for (Job& job : jobs) {
    job.output = folder ? (fs::path(out) / name_in_folder(job)).string() : out;
    require_kind(job, options);
  }
  require_apart(jobs, kept, !folder, options);
  if (folder) fs::create_directories(out);
  return jobs;
}

}  // namespace voxgrad::apps
