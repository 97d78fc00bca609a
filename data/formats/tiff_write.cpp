// Writes TIFF: slices are pages, channels are samples, and the spacing stands in the description as ImageJ writes it.
#include <algorithm>
#include <cstring>
#include <sstream>

#include "data/formats/tiff_detail.h"
#include "engine/io/atomic_file.h"

namespace voxgrad::data::detail {

using h5::Element;

namespace {

template <class T>
std::vector<std::uint8_t> samples_of(const Image& image) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(image.values.numel()) * sizeof(T));
  for_each_value<T>(image, [&](std::int64_t i, T value) {
    std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
  });
  return bytes;
}

// ImageJ's description of a stack.
std::string description_of(const Image& image, std::int64_t depth) {
  std::string result = text("ImageJ=1.53t\nimages=", depth, "\nslices=", depth, "\nloop=false\n");
  if (!image.physical) return result;
  result += "unit=mm\n";
  std::ostringstream spacing;
  spacing.precision(12);
  spacing << image.spacing.front();
  if (image.spacing.size() == 3) result += "spacing=" + spacing.str() + "\n";
  return result;
}

void set_tags(TIFF* tiff, const Image& image, std::int64_t depth) {
  const std::int64_t channels = image.channels();
  const bool colour = channels >= 3 && channels <= 4 && (image.element == Element::u8 || image.element == Element::u16);
  ::TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<std::uint32_t>(image.values.extent(-2)));
  ::TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<std::uint32_t>(image.values.extent(-3)));
  ::TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, static_cast<int>(channels));
  ::TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, static_cast<int>(8 * h5::size_of(image.element)));
  ::TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT,
                 image.element == Element::f32   ? SAMPLEFORMAT_IEEEFP
                 : image.element == Element::i16 ? SAMPLEFORMAT_INT
                                                 : SAMPLEFORMAT_UINT);
  ::TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  ::TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
                 !image.palette.empty() ? PHOTOMETRIC_PALETTE
                 : colour               ? PHOTOMETRIC_RGB
                                        : PHOTOMETRIC_MINISBLACK);
  if (const std::int64_t extra = channels - (colour ? 3 : 1); extra > 0) {
    const std::vector<std::uint16_t> kinds(static_cast<std::size_t>(extra), std::uint16_t{EXTRASAMPLE_UNSPECIFIED});
    ::TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, static_cast<int>(extra), kinds.data());
  }
  if (!image.palette.empty()) {
    std::vector<std::uint16_t> map[3];
    for (std::size_t c = 0; c < 3; ++c) {
      map[c].assign(256, 0);
      for (std::size_t i = 0; i < image.palette.size(); ++i)
        map[c][i] = static_cast<std::uint16_t>(image.palette[i][c] * 257);
    }
    ::TIFFSetField(tiff, TIFFTAG_COLORMAP, map[0].data(), map[1].data(), map[2].data());
  }
  if (::TIFFIsCODECConfigured(COMPRESSION_ADOBE_DEFLATE) != 0)
    ::TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
  ::TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, ::TIFFDefaultStripSize(tiff, 0));
  if (image.spacing.size() == 3 || image.physical)
    ::TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, description_of(image, depth).c_str());
  if (image.physical) {
    ::TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_NONE);
    ::TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 1 / image.spacing.back());
    ::TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 1 / *(image.spacing.rbegin() + 1));
  }
}

}  // namespace

void write_tiff(const std::string& path, const Image& image) {
  check_element(image, "TIFF", {Element::u8, Element::u16, Element::i16, Element::f32});
  check(image.channels() <= 65535, "write_image: ", image.channels(), " channels in a TIFF file");
  std::vector<std::uint8_t> samples;
  switch (image.element) {
    case Element::u16: samples = samples_of<std::uint16_t>(image); break;
    case Element::i16: samples = samples_of<std::int16_t>(image); break;
    case Element::f32: samples = samples_of<float>(image); break;
    default: samples = samples_of<std::uint8_t>(image); break;
  }
  check_palette(image);
  const std::int64_t depth = image.values.dims() == 4 ? image.values.extent(0) : 1;
  const std::int64_t height = image.values.extent(-3);
  const std::size_t row = samples.size() / static_cast<std::size_t>(depth * height);
  std::string bytes;
  Tiff file(bytes, samples.size());
  TIFF* tiff = file.get();
  std::uint8_t* from = samples.data();
  bool ok = true;
  for (std::int64_t z = 0; z < depth && ok; ++z) {
    set_tags(tiff, image, depth);
    for (std::int64_t y = 0; y < height && ok; ++y, from += row)
      ok = ::TIFFWriteScanline(tiff, from, static_cast<std::uint32_t>(y), 0) == 1;
    ok = ok && ::TIFFWriteDirectory(tiff) == 1;
  }
  file.close();
  if (!ok) throw Error(ErrorKind::io, path + ": cannot be written as TIFF: " + file.reason());
  write_atomically(path, {std::as_bytes(std::span(bytes))});
}

}  // namespace voxgrad::data::detail
