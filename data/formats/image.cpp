#include "data/formats/image.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "data/formats/formats_detail.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

struct Ending {
  const char* text;
  Kind kind;
};
// The first one that fits counts.
constexpr Ending kEndings[] = {{".ome.tif", Kind::tiff}, {".ome.tiff", Kind::tiff}, {".png", Kind::png},
                               {".jpg", Kind::jpeg},     {".jpeg", Kind::jpeg},     {".bmp", Kind::bmp},
                               {".gif", Kind::gif},      {".tif", Kind::tiff},      {".tiff", Kind::tiff},
                               {".nii", Kind::nifti},    {".nii.gz", Kind::nifti},  {".h5", Kind::hdf5},
                               {".hdf5", Kind::hdf5},    {".hdf", Kind::hdf5}};

const Ending* ending_of(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Ending& ending : kEndings)
    if (name.ends_with(ending.text) && name != ending.text) return &ending;
  return nullptr;
}

// What a file begins with. The kinds that are read have no remedy.
struct Magic {
  std::size_t at;
  std::string_view bytes;
  const char* name;
  const char* remedy;
};
using namespace std::string_view_literals;
constexpr Magic kForeign[] = {
    {128, "DICM"sv, "a DICOM file", "convert it to NIfTI with dcm2niix"},
    {0, "\0\0\0\x0CjP  "sv, "a JPEG 2000 picture", "save it as PNG or TIFF"},
    {8, "WEBP"sv, "a WebP picture", "save it as PNG"},
    {4, "ftyp"sv, "a HEIF picture or a video", "save it as PNG"},
    {0, "ObjectType"sv, "a MetaImage (MHD, MHA)", "convert it to NIfTI, for example with SimpleITK"},
    {0, "NDims"sv, "a MetaImage (MHD, MHA)", "convert it to NIfTI, for example with SimpleITK"},
    {0, "NRRD"sv, "a NRRD volume", "convert it to NIfTI, for example with SimpleITK or Slicer"},
    {0, "\x93NUMPY"sv, "an array of NumPy", "write it to an HDF5 file, or as NIfTI with nibabel"},
    {0, "PK\x03\x04"sv, "a zip archive", "unpack it first (an .npz file: write its arrays to an HDF5 file)"},
    {0, "7z\xBC\xAF\x27\x1C"sv, "a 7z archive", "unpack it first"},
    {0, "%PDF"sv, "a PDF document", "export its pictures as PNG"},
    {0, "CDF"sv, "a NetCDF or MINC file", "convert it to HDF5 or NIfTI"},
};

std::string picture_bytes(const std::string& path) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();  // stb counts with an int
  if (const std::uint64_t bytes = detail::file_size(path); bytes > kMost)
    detail::refuse(path, text("has ", bytes, " bytes, more than a picture can have here"), "write it as TIFF");
  return detail::read_bytes(path);
}

struct KeptTiff {
  std::string path;
  std::uint64_t size = 0;
  std::filesystem::file_time_type time;
  std::shared_ptr<std::string> bytes;
};
constexpr std::size_t kMostKept = 2;  // an image and its mask
constexpr std::uint64_t kMostKeptBytes = 256 << 20, kMostKeptPages = std::uint64_t{4} << 30;
thread_local std::vector<KeptTiff> kept_tiffs;  // the newest at the end
thread_local std::shared_ptr<void> kept_others;
thread_local int keepers = 0;  // of KeepTiffs

bool has(const std::string& bytes, std::size_t at, std::string_view magic) {
  return bytes.size() >= at + magic.size() && bytes.compare(at, magic.size(), magic) == 0;
}

}  // namespace

const char* name_of(Kind kind) {
  constexpr const char* kNames[] = {"PNG", "JPEG", "BMP", "GIF", "TIFF", "NIfTI", "HDF5"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* why_unwritten(Kind kind) {
  if (kind == Kind::jpeg) return "JPEG changes the values of pixels";
  return kind == Kind::bmp || kind == Kind::gif ? "BMP and GIF are only read" : nullptr;
}

std::optional<Kind> kind_of_name(const std::string& path) {
  const Ending* ending = ending_of(path);
  return ending == nullptr ? std::nullopt : std::optional(ending->kind);
}

std::string stem_of(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  if (const Ending* ending = ending_of(path)) name.resize(name.size() - std::strlen(ending->text));
  return name;
}

Kind kind_of_file(const std::string& path) {
  constexpr std::size_t kHead = 4096 + 8;
  if (detail::file_size(path) == 0) detail::refuse(path, "is empty (0 bytes)");
  const std::string head = detail::read_bytes(path, kHead);
  if (has(head, 0, "\x89PNG\r\n\x1a\n"sv)) return Kind::png;
  if (has(head, 0, "\xFF\xD8\xFF"sv)) return Kind::jpeg;
  if (has(head, 0, "BM"sv)) return Kind::bmp;
  if (has(head, 0, "GIF8"sv)) return Kind::gif;
  for (const std::string_view magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (has(head, 0, magic)) return Kind::tiff;
  for (std::size_t at = 0; at + 8 <= head.size(); at = at == 0 ? 512 : 2 * at)  // behind a block of the user
    if (has(head, at, "\x89HDF\r\n\x1a\n"sv)) return Kind::hdf5;
  // The size of NIfTI's header in both orders of bytes. What is compressed by gzip can be nothing else.
  for (const std::string_view magic :
       {"\x5C\x01\0\0"sv, "\0\0\x01\x5C"sv, "\x1C\x02\0\0"sv, "\0\0\x02\x1C"sv, "\x1F\x8B"sv})
    if (has(head, 0, magic)) return Kind::nifti;
  for (const Magic& magic : kForeign)
    if (has(head, magic.at, magic.bytes)) detail::refuse(path, text("is ", magic.name), magic.remedy);
  const std::optional<Kind> named = kind_of_name(path);
  detail::refuse(path,
                 named ? text("is no ", name_of(*named), " file: it does not begin like one")
                       : std::string("is no image of a known kind"),
                 kKindsRead);
}

KeepTiffs::KeepTiffs() { ++keepers; }
KeepTiffs::~KeepTiffs() {
  if (--keepers > 0) return;
  kept_tiffs.clear();
  kept_others.reset();
}
std::shared_ptr<void>* KeepTiffs::others() { return keepers > 0 ? &kept_others : nullptr; }

std::shared_ptr<std::string> detail::kept_bytes(const std::string& path, bool again) {
  if (keepers == 0) return std::make_shared<std::string>(read_bytes(path));
  std::error_code code;
  const std::uint64_t size = file_size(path);
  const std::filesystem::file_time_type time = std::filesystem::last_write_time(path, code);
  for (const KeptTiff& kept : kept_tiffs)
    if (kept.path == path && kept.size == size && kept.time == time && !code) return kept.bytes;
  std::erase_if(kept_tiffs, [&](const KeptTiff& kept) { return kept.path == path; });
  if (kept_tiffs.size() == kMostKept) kept_tiffs.erase(kept_tiffs.begin());
  auto bytes = std::make_shared<std::string>(read_bytes(path));
  if (!code && bytes->size() == size && size <= (again ? kMostKeptPages : kMostKeptBytes))
    kept_tiffs.push_back({path, size, time, bytes});
  return bytes;
}

bool pages_are_cases(const std::string& axes) { return axes == "NYX" || axes == "NYXC"; }

std::int64_t pages_of(const std::string& path) {
  return kind_of_file(path) == Kind::tiff ? detail::tiff_pages(path) : 1;
}

Image read_image(const std::string& path, const ReadOptions& options) {
  const Kind kind = kind_of_file(path);
  if (options.page >= 0 && kind != Kind::tiff)
    detail::refuse(path, text("has no pages, but page ", options.page, " is named"), "name the file alone");
  switch (kind) {
    case Kind::png: return detail::decode_png(picture_bytes(path), path);
    case Kind::jpeg: return detail::decode_jpeg(picture_bytes(path), path);
    case Kind::bmp: return detail::decode_bmp(picture_bytes(path), path);
    case Kind::gif: return detail::decode_gif(picture_bytes(path), path);
    case Kind::tiff: return detail::read_tiff(path, options);
    case Kind::nifti: return detail::read_nifti(path);
    case Kind::hdf5: break;
  }
  throw Error(ErrorKind::argument, path + ": read_image reads no HDF5 file");
}

void round_labels(Image& image, const std::string& path) {
  if (image.values.dtype() != DType::f32) return;
  float* values = image.values.data<float>();
  const std::int64_t count = image.values.numel();
  std::int64_t rounded = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float whole = std::round(values[i]);
    if (!(std::abs(values[i] - whole) < 0.05F)) {  // NaN, too
      std::int64_t others = 0;
      for (std::int64_t k = i; k < count; ++k) others += !(std::abs(values[k] - std::round(values[k])) < 0.05F);
      detail::refuse(
          path,
          text("labels are whole numbers, ", others, " of ", count, " values are not (the first is ", values[i], ")"),
          "an image was given as labels, or labels were resized with interpolation: make them again with "
          "the nearest neighbour");
    }
    rounded += values[i] != whole;
  }
  if (rounded == 0) return;
  for (std::int64_t i = 0; i < count; ++i) values[i] = std::round(values[i]);
  image.notes.push_back(
      text(rounded, " of ", count, " labels: Values less than 0.05 away from a whole number were rounded."));
}

void write_image(const std::string& path, const Image& image) {
  check(image.values.defined() && image.values.numel() > 0 && image.values.device() == Device::cpu &&
            (image.values.dtype() == DType::f32 || image.values.dtype() == DType::u8) &&
            (image.values.dims() == 3 || image.values.dims() == 4) &&
            std::ssize(image.spacing) == image.values.dims() - 1,
        "write_image: f32 or u8 [*S, C] on the host with one spacing per axis is written, got ", image.values, " and ",
        image.spacing.size(), " spacings");
  const std::optional<Kind> kind = kind_of_name(path);
  const char* const endings = "write it as PNG, TIFF or NIfTI: end its name with .png, .tif, .nii or .nii.gz";
  if (!kind || *kind == Kind::hdf5)
    throw Error(ErrorKind::usage, path + ": the ending of the name stands for no kind of image that is written",
                endings);
  switch (*kind) {
    case Kind::png: return detail::write_png(path, image);
    case Kind::tiff: return detail::write_tiff(path, image);
    case Kind::nifti: return detail::write_nifti(path, image);
    default: break;
  }
  throw Error(ErrorKind::usage, text(path, ": nothing is written as ", name_of(*kind), ": ", why_unwritten(*kind)),
              endings);
}

namespace detail {

std::uint64_t file_size(const std::string& path) {
  std::error_code code;
  const std::filesystem::file_status status = std::filesystem::status(path, code);
  if (code || !std::filesystem::exists(status))
    throw Error(ErrorKind::io, text("cannot read ", path, ": ", code ? code.message() : "there is no such file"));
  if (!std::filesystem::is_regular_file(status))
    throw Error(ErrorKind::io, text("cannot read ", path, ": it is ",
                                    std::filesystem::is_directory(status) ? "a folder" : "no regular file"));
  const std::uintmax_t size = std::filesystem::file_size(path, code);
  if (code) throw Error(ErrorKind::io, text("cannot read ", path, ": ", code.message()));
  return size;
}

std::string read_bytes(const std::string& path, std::uint64_t most) {
  std::string bytes(std::min(file_size(path), most), '\0');
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return bytes;
  if (errno == ENOMEM) throw std::bad_alloc();
  throw Error(ErrorKind::io, text("cannot read ", path, ": ",
                                  errno != 0 ? std::generic_category().message(errno) : "it became shorter"));
}

void note_orientation(Image& image, std::uint32_t orientation) {
  image.turned = orientation > 1 && orientation <= 8;
  if (image.turned)
    image.notes.push_back(text("A tag says to show the picture turned or mirrored (orientation ", orientation,
                               "). The pixels were read as they are stored, so that image and mask agree."));
}

std::string by(const Shape& shape) {
  std::string result;
  for (const std::int64_t extent : shape) result += (result.empty() ? "" : " x ") + std::to_string(extent);
  return result;
}

void check_element(const Image& image, const char* kind, std::initializer_list<h5::Element> elements) {
  if (std::ranges::find(elements, image.element) != elements.end()) return;
  std::string known;
  for (const h5::Element element : elements) known += std::string(known.empty() ? "" : ", ") + h5::name_of(element);
  throw Error(ErrorKind::argument,
              text("write_image: ", kind, " is written as ", known, ", not as ", h5::name_of(image.element)));
}

}  // namespace detail
}  // namespace voxgrad::data
