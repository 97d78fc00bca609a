// NIfTI through nifticlib, which believes what a header says: it is given headers only after they were checked here.
// The voxels are read through zlib, which reads files that are not compressed as well and tells damage from the end.
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <system_error>

#include "data/formats/nifti_detail.h"
#include "engine/io/file_rules.h"

namespace voxgrad::data {

using h5::Element;

namespace detail {
namespace {

constexpr std::size_t kPiece = std::size_t{4} << 20;  // bytes of voxels that are read at a time

class Reader {
 public:
  explicit Reader(const std::string& path)
      : path_(path), size_(static_cast<double>(file_size(path))), file_(::gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr && errno == ENOMEM) throw std::bad_alloc();
    if (file_ == nullptr) throw Error(ErrorKind::io, "cannot read " + path);
    ::gzbuffer(file_.get(), 1 << 17);
  }
  // The most bytes that the file can hold.
  double room() const { return ::gzdirect(file_.get()) != 0 ? size_ : size_ * kDeflate; }
  void read(void* to, std::size_t bytes) {
    const int count = ::gzread(file_.get(), to, static_cast<unsigned>(bytes));
    if (count == static_cast<int>(bytes)) return;
    require_whole();
    refuse(path_, "ends before its last voxel", "the file is cut off");
  }
  void skip(std::int64_t bytes) {
    if (::gzseek(file_.get(), bytes, SEEK_CUR) >= 0) return;
    require_whole();
    refuse(path_, text("ends before its voxels, at byte ", bytes));
  }
  // The checksum of a gzip file stands behind the last byte.
  void finish(std::vector<char>& scratch) {
    ::gzread(file_.get(), scratch.data(), static_cast<unsigned>(scratch.size()));
    require_whole();
  }

 private:
  void require_whole() {
    const int number = errno;
    int code = Z_OK;
    const char* reason = ::gzerror(file_.get(), &code);
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code == Z_ERRNO)
      throw Error(ErrorKind::io, text("cannot read ", path_, ": ", std::generic_category().message(number)));
    if (code != Z_OK) refuse(path_, text("is damaged or cut off (zlib: ", reason, ")"));
  }

  struct Close {
    void operator()(gzFile file) const { ::gzclose(file); }
  };
  std::string path_;
  double size_;
  std::unique_ptr<std::remove_pointer_t<gzFile>, Close> file_;
};

struct Freed {
  void operator()(nifti_image* image) const { nifti_image_free(image); }
};

// y = slope x + intercept
struct Scale {
  double slope = 1, intercept = 0;
};

// A header whose claims were checked.
struct Claims {
  Scale scale;  // as it stands in the header; not checked
  std::array<std::int64_t, 7> extents{1, 1, 1, 1, 1, 1, 1};
  std::array<double, 3> steps{};  // pixdim of x, y, z
  Voxel voxel{};
  std::int64_t offset = 0;
  std::unique_ptr<nifti_image, Freed> nifti;
};

template <class H>
Claims checked(H header, double room, const std::string& path) {
  Claims claims;
  constexpr bool kFirst = std::is_same_v<H, nifti_1_header>;
  const std::string magic(header.magic, kFirst ? 4 : 8);
  if (magic == std::string("ni1\0", 4) || magic == std::string("ni2\0\r\n\032\n", 8))
    refuse(path, "is a header whose voxels are in another file (.hdr and .img)",
           "convert it to one file, .nii or .nii.gz, for example with nibabel or fslchfiletype");
  if (magic != (kFirst ? std::string("n+1\0", 4) : std::string("n+2\0\r\n\032\n", 8)))
    refuse(path, "is no NIfTI file: the mark (magic) in its header is missing",
           "an ANALYZE file does not say where left and right are: convert it to NIfTI with a program that knows");
  const std::int64_t dims = header.dim[0];
  if (dims < 1 || dims > 7) refuse(path, text("has ", dims, " axes (dim[0]) instead of 1 to 7"));
  const auto voxel = std::ranges::find(kVoxels, static_cast<int>(header.datatype), &Voxel::code);
  if (voxel == std::end(kVoxels))
    refuse(path,
           text("has voxels of type ", nifti_datatype_to_string(header.datatype), " (", header.datatype,
                "), of which no image is made here"),
           "convert it to real numbers, for example to float32");
  claims.voxel = *voxel;
  const double offset = static_cast<double>(header.vox_offset);
  if (!(offset >= static_cast<double>(sizeof header) && offset <= room && offset == std::floor(offset)))
    refuse(path,
           text("its voxels begin at byte ", offset, " (vox_offset), which is not in the file behind the header"));
  claims.offset = static_cast<std::int64_t>(offset);
  double bytes = static_cast<double>(size_of(voxel->element)) * voxel->components;
  for (std::int64_t k = 1; k <= dims; ++k) {
    const std::int64_t extent = header.dim[k];
    if (extent < 1) refuse(path, text("extent ", k, " (dim) is ", extent));
    nth(claims.extents, k - 1) = extent;
    bytes *= static_cast<double>(extent);
  }
  if (!(bytes + offset <= room))
    refuse(path, text("claims ", bytes, " bytes of voxels, more than the file can hold"), "it is cut off or damaged");
  claims.scale = {header.scl_slope, header.scl_inter};
  for (std::size_t k = 0; k < 3; ++k) claims.steps[k] = std::abs(double{header.pixdim[k + 1]});
  header.vox_offset = static_cast<decltype(header.vox_offset)>(sizeof header);  // the library keeps it in an int
  if constexpr (kFirst)
    claims.nifti.reset(nifti_convert_n1hdr2nim(header, nullptr));
  else
    claims.nifti.reset(nifti_convert_n2hdr2nim(header, nullptr));
  if (claims.nifti == nullptr) refuse(path, "its header is refused by nifticlib");
  return claims;
}

double length(const Affine& affine, std::size_t column) {
  return std::hypot(affine[0][column], affine[1][column], affine[2][column]);
}

Affine affine_of(const nifti_dmat44& matrix, double unit) {
  Affine affine;
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 4; ++c) affine[r][c] = matrix.m[r][c] * unit;
  return affine;
}

// Error(data) if voxels have no place, and notes on what differs from a plain grid.
void check_affine(const Affine& affine, Image& image, const std::string& path) {
  std::array<double, 3> step{};
  bool finite = true;
  for (std::size_t c = 0; c < 3; ++c) {
    step[c] = length(affine, c);
    for (std::size_t r = 0; r < 3; ++r) finite = finite && std::isfinite(affine[r][c]) && std::isfinite(affine[r][3]);
  }
  const auto cosine = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (const auto& row : affine) sum += row[a] * row[b];
    return sum / (step[a] * step[b]);
  };
  const double xy = cosine(0, 1), xz = cosine(0, 2), yz = cosine(1, 2);
  // The squared volume of the unit cell, relative to that of right angles.
  const double volume = 1 + 2 * xy * xz * yz - xy * xy - xz * xz - yz * yz;
  if (!finite || !(volume > 1e-12))
    refuse(path, "its affine is singular or not finite: the header does not say where the voxels lie",
           "repair sform or qform, for example with nibabel");
  const double off =
      std::asin(std::min(1.0, std::max({std::abs(xy), std::abs(xz), std::abs(yz)}))) * 180 / 3.14159265358979;
  if (off > 0.1)
    image.notes.push_back(text("The axes of the volume are ", off,
                               " degrees off right angles: Its spacing is the lengths of the steps along them."));
}

// Where the voxels lie: sform if there is one, else qform, else the spacing alone.
void place(const Claims& claims, Image& image, const std::string& path) {
  const nifti_image& nifti = *claims.nifti;
  double unit = 1;
  if (nifti.xyz_units == NIFTI_UNITS_METER) unit = 1000;
  if (nifti.xyz_units == NIFTI_UNITS_MICRON) unit = 1e-3;
  if (unit != 1)
    image.notes.push_back(
        text("The header counts in ", unit > 1 ? "metres" : "micrometres", "; this was converted to millimetres."));
  std::optional<Affine> affine;
  if (nifti.sform_code > 0) affine = affine_of(nifti.sto_xyz, unit);
  if (nifti.qform_code > 0) {
    const Affine quaternion = affine_of(nifti.qto_xyz, unit);
    if (!affine) affine = quaternion;
    double difference = 0;
    for (std::size_t c = 0; c < 4; ++c) {
      double scale = 0;
      for (std::size_t k = 0; k < 3; ++k)
        scale +=
            c < 3 ? (k == c ? length(*affine, c) : 0) : length(*affine, k) * static_cast<double>(claims.extents[k]);
      for (std::size_t r = 0; r < 3; ++r)
        difference = std::max(difference, std::abs(quaternion[r][c] - (*affine)[r][c]) / scale);
    }
    if (difference > 1e-3) image.notes.push_back("The header has two different affines; sform was used, not qform.");
  }
  if (affine) check_affine(*affine, image, path);

  const auto positive = [](double s) { return std::isfinite(s) && s > 0; };
  // A picture needs no distance of slices.
  const bool steps_known = std::all_of(claims.steps.begin(), claims.steps.end() - (claims.extents[2] == 1), positive);
  std::array<double, 3> steps{1, 1, 1};
  for (std::size_t k = 0; k < 3; ++k) {
    if (steps_known && positive(claims.steps[k])) steps[k] = claims.steps[k] * unit;
    if (!affine) continue;
    const double step = length(*affine, k);
    if (steps_known && positive(claims.steps[k]) && std::abs(step - steps[k]) > 1e-3 * step)
      image.notes.push_back(text(step, " mm by the affine and ", steps[k], " mm by pixdim: The spacing along ",
                                 "xyz"[k], " is that of the affine."));
    steps[k] = step;
  }
  image.physical = affine.has_value() || steps_known;
  if (!image.physical) image.notes.push_back("The header has no spacing (pixdim).");
  image.spacing = {steps[2], steps[1], steps[0]};
  if (claims.extents[2] == 1)  // a picture
    image.spacing.erase(image.spacing.begin());
  (claims.extents[2] == 1 ? image.slice : image.affine) = affine;
  if (const std::string problem = spacing_problem(image.spacing, std::ssize(image.spacing)); !problem.empty())
    refuse(path, problem, "correct pixdim, the affine and xyzt_units of its header");
}

// The scale that is meant. The standard says that a slope of 0 is none; nibabel takes one that is not finite so
// too, and refuses an intercept that is not finite beside a valid slope.
Scale scale_of(const Claims& claims, Image& image, const std::string& path) {
  const auto [slope, intercept] = claims.scale;
  if (!std::isfinite(slope))
    image.notes.push_back(text("The header's scl_slope is ", slope, ", so its values were taken as they are stored."));
  if (!std::isfinite(slope) || slope == 0) return {};
  if (!std::isfinite(intercept))
    refuse(path, text("scl_inter is ", intercept, " beside the scl_slope ", slope, ", which gives no values"),
           "set scl_inter to 0, or scl_slope to 0 for values as they are stored");
  return claims.scale;
}

void read_values(Reader& reader, const Claims& claims, bool swapped, Image& image, const std::string& path) {
  const auto& d = claims.extents;
  const std::int64_t pixels = d[0] * d[1] * d[2], channels = image.channels();
  const Scale scale = claims.voxel.components == 1 ? scale_of(claims, image, path) : Scale{};
  const double slope = scale.slope, intercept = scale.intercept;
  const bool apply = slope != 1 || intercept != 0;
  // The channels of an RGB voxel lie together, volumes one behind the other.
  const bool together = claims.voxel.components > 1 || channels == 1;
  const std::size_t bytes = size_of(claims.voxel.element);
  const std::int64_t count = image.values.numel();
  float* to = image.values.data<float>();
  std::vector<char> piece(std::min(kPiece, static_cast<std::size_t>(count) * bytes));
  bool differ = false;  // whether two stored values do
  const auto convert = [&]<class T>(T) {
    T at_first{};
    const std::int64_t in_piece = static_cast<std::int64_t>(piece.size() / bytes);
    for (std::int64_t first = 0; first < count; first += in_piece) {
      const std::int64_t some = std::min(in_piece, count - first);
      reader.read(piece.data(), static_cast<std::size_t>(some) * bytes);
      if (swapped && bytes > 1) nifti_swap_Nbytes(some, static_cast<int>(bytes), piece.data());
      for (std::int64_t i = 0; i < some; ++i) {
        T value;
        std::memcpy(&value, piece.data() + static_cast<std::size_t>(i) * bytes, bytes);
        const float result =
            apply ? static_cast<float>(static_cast<double>(value) * slope + intercept) : static_cast<float>(value);
        if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
          const double exact = static_cast<double>(value);
          if (std::abs(exact) > 0x1p53 || (!apply && static_cast<double>(result) != exact))
            refuse(path, text("has the value ", value, ", more than 32-bit numbers hold exactly"),
                   "convert it to a smaller type");
        }
        const std::int64_t at = first + i;
        if (at == 0) at_first = value;
        differ = differ || value != at_first;
        to[together ? at : at % pixels * channels + at / pixels] = result;
      }
    }
  };
  switch (claims.voxel.element) {
    case Element::i8: convert(std::int8_t{}); break;
    case Element::u16: convert(std::uint16_t{}); break;
    case Element::i16: convert(std::int16_t{}); break;
    case Element::u32: convert(std::uint32_t{}); break;
    case Element::i32: convert(std::int32_t{}); break;
    case Element::u64: convert(std::uint64_t{}); break;
    case Element::i64: convert(std::int64_t{}); break;
    case Element::f32: convert(float{}); break;
    case Element::f64: convert(double{}); break;
    default: convert(std::uint8_t{}); break;
  }
  reader.finish(piece);
  const auto same = [&](const float* values) { return std::equal(values + 1, values + count, values); };
  if (apply && differ && same(image.values.data<float>()))
    refuse(path, text("its scl_slope ", slope, " and scl_inter ", intercept, " make all of its values ", *to),
           "correct scl_slope and scl_inter in its header");
}

}  // namespace

Image read_nifti(const std::string& path) {
  silence();
  Reader reader(path);
  std::string bytes(4, '\0');
  reader.read(bytes.data(), 4);
  const Variant variant = variant_of(bytes.data());
  if (variant.version == 0) refuse(path, "is a gzip file without NIfTI in it", "if it is an archive, unpack it first");
  bytes.resize(variant.size());
  reader.read(bytes.data() + 4, bytes.size() - 4);
  const Claims claims = variant.version == 1 ? checked(native<nifti_1_header>(bytes, variant), reader.room(), path)
                                             : checked(native<nifti_2_header>(bytes, variant), reader.room(), path);
  const auto& d = claims.extents;
  if (d[5] != 1 || d[6] != 1 || (d[3] != 1 && d[4] != 1) || (claims.voxel.components > 1 && d[3] * d[4] != 1))
    refuse(path,
           text("has the extents ", by(Shape(std::span(d).first(5))), " x ", d[5], " x ", d[6],
                ": axes beyond x, y, z and one of channels have no meaning here"),
           "split it into volumes, for example with fslsplit or nibabel");
  if (claims.nifti->ndim < 2) refuse(path, "has one axis; pictures have two and volumes three");
  Image image;
  image.header = bytes;
  image.element = claims.voxel.element;
  place(claims, image, path);
  const std::int64_t channels = claims.voxel.components * d[3] * d[4];
  image.values = empty(d[2] == 1 ? Shape{d[1], d[0], channels} : Shape{d[2], d[1], d[0], channels});
  if (d[3] > 1) image.notes.push_back(text("The ", d[3], " volumes along the fourth axis were read as channels."));
  reader.skip(claims.offset - std::ssize(bytes));
  read_values(reader, claims, variant.swapped, image, path);
  return image;
}

}  // namespace detail

bool has_nifti() { return true; }

}  // namespace voxgrad::data
