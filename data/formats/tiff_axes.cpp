// What the pages of a TIFF file are: slices, channels or times. The format does not say; ImageJ and OME write it into
// the description of the first page.
#include <algorithm>
#include <charconv>
#include <map>

#include "data/formats/tiff_detail.h"
#include "engine/io/file_rules.h"

namespace voxgrad::data::detail {
namespace {

// The number that a text begins with; `otherwise` if it begins with none.
double number_in(const std::string& value, double otherwise) {
  double result = otherwise;
  std::from_chars(value.data(), value.data() + value.size(), result);
  return result;
}
std::int64_t count_in(const std::string& value) {
  std::int32_t result = 1;
  std::from_chars(value.data(), value.data() + value.size(), result);
  return result;
}

// Millimetres in a unit of length; 0 if it is none. In XML the micro sign may be a reference.
double millimetres(const std::string& unit) {
  const std::pair<const char*, double> kUnits[] = {
      {"mm", 1},         {"millimeter", 1},   {"um", 1e-3},     {"\xC2\xB5m", 1e-3}, {"\xCE\xBCm", 1e-3},
      {"\xB5m", 1e-3},   {"\\u00B5m", 1e-3},  {"micron", 1e-3}, {"microns", 1e-3},   {"micrometer", 1e-3},
      {"nm", 1e-6},      {"nanometer", 1e-6}, {"cm", 10},       {"centimeter", 10},  {"m", 1000},
      {"meter", 1000},   {"inch", 25.4},      {"in", 25.4},     {"\xC3\x85", 1e-7},  {"&#181;m", 1e-3},
      {"&#xB5;m", 1e-3}, {"&#xb5;m", 1e-3},   {"&#956;m", 1e-3}};
  for (const auto& [name, value] : kUnits)
    if (unit == name) return value;
  return 0;
}

struct Found {
  std::string who;
  std::int64_t depth = 1, channels = 1, times = 1, pages = 1;
  bool channels_first = true;
  bool flat = false;  // nothing says how far slices are apart
  std::vector<double> spacing;
  double slope = 1, intercept = 0;  // of the values
  std::vector<std::string> notes;
};

// Lines NAME=VALUE.
Found read_imagej(const std::string& description, double x, double y) {
  std::map<std::string, std::string> values;
  for (std::size_t at = 0; at < description.size();) {
    const std::size_t end = std::min(description.find('\n', at), description.size());
    std::string line = description.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const std::size_t equal = line.find('=');
    if (equal != std::string::npos) values.emplace(line.substr(0, equal), line.substr(equal + 1));
    at = end + 1;
  }
  Found found;
  found.who = "ImageJ";
  const auto count = [&](const char* name) { return values.contains(name) ? count_in(values[name]) : 1; };
  found.pages = count("images");
  found.depth = count("slices");
  found.channels = count("channels");
  found.times = count("frames");
  const double unit = millimetres(values["unit"]);
  const auto unit_of = [&](const char* name) { return values.contains(name) ? millimetres(values[name]) : unit; };
  // ImageJ leaves out the distance of slices if it is one unit.
  const double z = std::abs(number_in(values["spacing"], 1));
  if (unit > 0) found.spacing = {unit_of("zunit") * z, unit_of("yunit") / (y > 0 ? y : 1), unit / (x > 0 ? x : 1)};
  if (values["cf"] == "0") {  // the calibration is a straight line
    found.intercept = number_in(values["c0"], 0);
    found.slope = number_in(values["c1"], 1);
  }
  return found;
}

// The value of an attribute in a tag of XML, from `<NAME` to its end; empty if it has none.
std::string attribute(const std::string& tag, const std::string& name) {
  for (std::size_t at = tag.find(name + "="); at != std::string::npos; at = tag.find(name + "=", at + 1)) {
    const std::size_t open = at + name.size() + 1;
    if (at == 0 || static_cast<unsigned char>(tag[at - 1]) > ' ' || open >= tag.size()) continue;
    const std::size_t close = tag.find(tag[open], open + 1);
    if (close != std::string::npos) return tag.substr(open + 1, close - open - 1);
  }
  return {};
}
std::vector<std::string> tags(const std::string& xml, const std::string& name) {
  std::vector<std::string> found;
  for (std::size_t at = 0, end = 0; (at = xml.find(name, at)) != std::string::npos; at = end) {
    end = at + name.size();
    if (at == 0 || (xml[at - 1] != '<' && xml[at - 1] != ':') || static_cast<unsigned char>(xml[end]) > ' ') continue;
    end = std::min(xml.find_first_of("<>", at), xml.size());  // no other tag begins inside of it
    found.push_back(xml.substr(at, end - at));
  }
  return found;
}

Found read_ome(const std::string& xml, std::int64_t samples, const std::string& path) {
  const std::vector<std::string> pixels = tags(xml, "Pixels");
  if (pixels.size() != 1)
    refuse(path, text("its description (OME-XML) has ", pixels.size(), " images instead of one"),
           "export each image to a file of its own");
  Found found;
  found.who = "OME";
  found.depth = count_in(attribute(pixels[0], "SizeZ"));
  found.channels = count_in(attribute(pixels[0], "SizeC"));
  found.times = count_in(attribute(pixels[0], "SizeT"));
  if (samples > 1 && found.channels % samples == 0) found.channels /= samples;
  const std::string order = attribute(pixels[0], "DimensionOrder");
  if (order.size() != 5 || order.find('Z') == std::string::npos || order.find('C') == std::string::npos)
    refuse(path, "its description (OME-XML) has no DimensionOrder");
  found.channels_first = order.find('C') < order.find('Z');
  for (const std::string& data : tags(xml, "TiffData")) {
    if (attribute(data, "IFD").empty()) continue;
    const std::int64_t ifd = count_in(attribute(data, "IFD"));
    const auto first = [&](const char* name) {
      return attribute(data, name).empty() ? 0 : count_in(attribute(data, name));
    };
    const std::int64_t z = first("FirstZ"), c = first("FirstC");
    if (first("FirstT") == 0 && ifd != (found.channels_first ? c + found.channels * z : z + found.depth * c))
      refuse(path,
             text("its description (OME-XML) puts z ", z, ", channel ", c, " on page ", ifd,
                  ", against its DimensionOrder ", order),
             "export it again with pages in order");
  }
  for (const char axis : {'Z', 'Y', 'X'}) {
    const std::string name = std::string("PhysicalSize") + axis;
    const std::string unit = attribute(pixels[0], name + "Unit");
    const double size = number_in(attribute(pixels[0], name), 0) * (unit.empty() ? 1e-3 : millimetres(unit));
    found.spacing.push_back(size);
  }
  if (found.depth == 1 && found.spacing[0] <= 0) {  // a picture has no slices
    found.flat = true;
    found.spacing[0] = found.spacing[1];
  }
  if (std::ranges::any_of(found.spacing, [](double s) { return !(s > 0); })) {
    found.spacing.clear();
    if (pixels[0].find("PhysicalSize") != std::string::npos)
      found.notes.push_back("Not every axis has a size in a unit of length (OME-XML): No size of voxels was read.");
  }
  return found;
}

// What a person said the pages are.
PageAxes as_told(std::int64_t pages, const std::string& axes, const std::string& path, PageAxes result) {
  using Of = PageAxes::Of;
  if (axes == "ZYX") {
    result.of = Of::depth;
    result.depth = pages;
  } else if (axes == "CYX") {
    result.of = Of::channels;
    result.channels = pages;
  } else if (axes == "YX") {
    result.of = Of::pictures;
    result.notes.push_back(text(pages, " pages: The first was read."));
  } else if (pages_are_cases(axes)) {
    result.of = Of::pictures;
  } else {
    throw Error(ErrorKind::usage, path + ": axes \"" + axes + "\" of several pages",
                "\"ZYX\", \"CYX\", \"YX\" or \"NYX\"");
  }
  return result;
}

}  // namespace

PageAxes axes_of_pages(std::int64_t pages, std::int64_t samples, const std::string& description, double x, double y,
                       const std::string& axes, const std::string& path) {
  PageAxes result;
  const bool imagej = description.starts_with("ImageJ=");
  const bool ome = description.find("<OME") < 1000 || description.find(":OME ") < 1000;
  Found found;
  if (imagej) found = read_imagej(description, x, y);
  if (ome) found = read_ome(description, samples, path);
  result.notes = found.notes;
  result.slope = found.slope;
  result.intercept = found.intercept;
  const bool finite = std::ranges::all_of(found.spacing, [](double s) { return std::isfinite(s) && s > 0; });
  if (finite && !found.spacing.empty()) {
    const std::string problem = spacing_problem(found.spacing, std::ssize(found.spacing));
    if (!problem.empty()) refuse(path, problem, "correct the resolution and the unit in its tags and its description");
    result.spacing = found.spacing;
  }
  if (imagej && pages == 1 && found.pages > 1)
    refuse(path,
           text("has one page, but ImageJ's description says ", found.pages,
                " images: it writes what is above 4 GB in a way of its own"),
           "export it as OME-TIFF");
  if (pages > 1 && !axes.empty()) {
    if (found.flat && axes == "ZYX") result.spacing.clear();
    return as_told(pages, axes, path, result);
  }

  const std::string hint =
      "say what the pages are: \"ZYX\" (slices of a volume), \"CYX\" (channels), \"NYX\" (a case "
      "each) or \"YX\" (pictures of their own, of which the first is read)";
  if (pages == 1) return result;  // one of several files has the description of the whole set
  if (found.times > 1)
    refuse(
        path,
        text("has ", found.times, " times (frames) by the description of ", found.who, ", which have no meaning here"),
        "split it into files of one time each; if its pages are slices or channels after all, " + hint);
  if (found.who.empty() || (imagej && found.depth == 1 && found.channels == 1))
    refuse(path, text("has ", pages, " pages, and nothing in it says what they are"), hint);
  if (found.depth < 1 || found.channels < 1 || found.depth > pages || found.channels > pages ||
      found.depth * found.channels != pages)
    refuse(path,
           text("has ", pages, " pages, but ", found.depth, " slices x ", found.channels,
                " channels by the description of ", found.who),
           hint);
  result.of = found.depth > 1 ? PageAxes::Of::depth : PageAxes::Of::channels;
  result.depth = found.depth;
  result.channels = found.channels;
  result.channels_first = found.channels_first;
  result.notes.push_back(text("The ", pages, " pages are ", found.depth, " slices x ", found.channels,
                              " channels by the description of ", found.who, ": They are read so."));
  return result;
}

}  // namespace voxgrad::data::detail
