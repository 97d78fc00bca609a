// TIFF through libtiff. Its decoders believe the extents of a page, so these are compared with the size of the file
// first.
#include <algorithm>
#include <cstring>

#include "data/formats/tiff_detail.h"

namespace voxgrad::data::detail {
namespace {

constexpr std::int64_t kMostPages = 65536;

// What decides how the bytes of a page become values.
struct Page {
  std::uint32_t width = 0, height = 0, subfile = 0;
  std::uint16_t samples = 1, bits = 1, format = SAMPLEFORMAT_UINT, photometric = PHOTOMETRIC_MINISBLACK;
  std::uint16_t planar = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE;

  bool operator==(const Page&) const = default;
  bool separate() const { return planar == PLANARCONFIG_SEPARATE && samples > 1; }
  std::uint16_t together() const { return separate() ? std::uint16_t{1} : samples; }  // samples of a pixel side by side
  std::uint64_t row_bytes(std::uint64_t pixels) const { return (pixels * together() * bits + 7) / 8; }
  double bytes() const { return static_cast<double>(row_bytes(width)) * height * (separate() ? samples : 1); }
};

Page read_page(TIFF* tiff) {
  Page page;
  ::TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &page.width);
  ::TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &page.height);
  ::TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &page.subfile);
  ::TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &page.samples);
  ::TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &page.bits);
  ::TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &page.format);
  ::TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &page.planar);
  ::TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &page.compression);
  if (::TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &page.photometric) == 0 && page.samples >= 3)
    page.photometric = PHOTOMETRIC_RGB;
  if (page.format == SAMPLEFORMAT_VOID) page.format = SAMPLEFORMAT_UINT;
  return page;
}

// Small copies of other pages, and their masks.
bool is_extra(const Page& page) { return (page.subfile & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) != 0; }

h5::Element element_of(const Page& page) {
  using h5::Element;
  if (page.format == SAMPLEFORMAT_UINT) switch (page.bits) {
      case 1:
      case 2:
      case 4:
      case 8: return Element::u8;
      case 16: return Element::u16;
      case 32: return Element::u32;
      default: break;
    }
  if (page.format == SAMPLEFORMAT_INT) switch (page.bits) {
      case 8: return Element::i8;
      case 16: return Element::i16;
      case 32: return Element::i32;
      default: break;
    }
  if (page.format == SAMPLEFORMAT_IEEEFP && page.bits == 32) return Element::f32;
  if (page.format == SAMPLEFORMAT_IEEEFP && page.bits == 64) return Element::f64;
  return Element::other;
}

// The most bytes that a file of this size can hold when they are uncompressed.
double room(const Page& page, std::uint64_t file_bytes) {
  double factor = 65536;  // more than Zstandard and LZMA reach
  switch (page.compression) {
    case COMPRESSION_NONE: factor = 1; break;
    case COMPRESSION_PACKBITS: factor = 128; break;
    case COMPRESSION_LZW: factor = 4096; break;
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE: factor = kDeflate; break;
    case COMPRESSION_JPEG: factor = 1536; break;  // 64 pixels of three samples in one bit
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4: factor = static_cast<double>(page.width) + 8; break;  // a row in one bit
    default: break;
  }
  return factor * static_cast<double>(file_bytes);
}

void check_page(const Page& page, std::uint64_t file_bytes, const std::string& path) {
  const auto named = [&](const char* what) { return text("its colours (PhotometricInterpretation) are ", what); };
  if (page.width < 1 || page.height < 1 || page.samples < 1 || page.width > 1u << 30 || page.height > 1u << 30)
    refuse(path, text("its header has no meaning: ", page.width, " x ", page.height, " pixels of ", page.samples,
                      " samples"));
  if (element_of(page) == h5::Element::other)
    refuse(path,
           text("has samples of ", page.bits, " bits, format ", page.format,
                " (1 whole, 2 with sign, 3 real, 5 and 6 complex), of which no image is made here"),
           "convert it to 8 or 16 bits, or to float32");
  switch (page.photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_RGB: break;
    case PHOTOMETRIC_MINISWHITE:
      if (page.format != SAMPLEFORMAT_UINT)
        refuse(path, named("white-is-zero with signed or real samples"), "save it with black as 0");
      break;
    case PHOTOMETRIC_PALETTE:
      if (page.samples != 1 || page.bits > 8 || page.format != SAMPLEFORMAT_UINT)
        refuse(path, named("a palette for more than 8 bits or one sample"), "save it with 8 bits");
      break;
    case PHOTOMETRIC_YCBCR:
      if (page.compression == COMPRESSION_JPEG && page.samples == 3) break;
      refuse(path, named("YCbCr"), "save it as RGB");
    case PHOTOMETRIC_SEPARATED: refuse(path, named("those of a printer (CMYK)"), "convert it to an RGB image");
    default: refuse(path, text(named("of type "), page.photometric), "save it as grey or RGB");
  }
  if (page.compression == COMPRESSION_OJPEG || ::TIFFIsCODECConfigured(page.compression) == 0)
    refuse(path, text("is compressed by method ", page.compression, ", which cannot be read here"),
           "save it without compression, or with LZW or deflate");
  if (page.compression == COMPRESSION_JPEG && page.bits != 8) refuse(path, "is JPEG with other than 8 bits");
  if (page.bytes() > room(page, file_bytes))
    refuse(path,
           text("claims ", page.width, " x ", page.height, " pixels of ", page.samples,
                " samples, more than the file can hold"),
           "the file is cut off or damaged");
}

// Puts a block of decoded rows into the image. `to` is the value of its first sample; `pixel` and `row` are the steps
// in values to the next pixel and row there.
struct Target {
  float* to;
  std::int64_t pixel, row;
};
void convert(const Page& page, const std::uint8_t* block, std::uint64_t stride, std::uint64_t columns,
             std::uint64_t rows, Target target) {
  const std::uint64_t together = page.together();
  const float largest = page.bits >= 32 ? 4294967295.0F : static_cast<float>((std::uint64_t{1} << page.bits) - 1);
  const bool inverted = page.photometric == PHOTOMETRIC_MINISWHITE;
  // Grey of less than 8 bits is spread over 0 .. 255, as in every program; indices into a palette are not.
  const float scale = page.bits < 8 && page.photometric != PHOTOMETRIC_PALETTE ? 255.0F / largest : 1.0F;
  const auto run = [&](auto value_at) {
    for (std::uint64_t y = 0; y < rows; ++y)
      for (std::uint64_t x = 0; x < columns; ++x)
        for (std::uint64_t s = 0; s < together; ++s) {
          const float value = value_at(block + y * stride, x * together + s);
          target.to[static_cast<std::int64_t>(y) * target.row + static_cast<std::int64_t>(x) * target.pixel +
                    static_cast<std::int64_t>(s)] = (inverted ? largest - value : value) * scale;
        }
  };
  const auto typed = [&]<class T>(T) {
    run([](const std::uint8_t* row, std::uint64_t i) {
      T value;
      std::memcpy(&value, row + i * sizeof(T), sizeof(T));
      return static_cast<float>(value);
    });
  };
  if (page.bits < 8) {
    run([&](const std::uint8_t* row, std::uint64_t i) {
      const std::uint64_t bit = i * page.bits;
      return static_cast<float>(row[bit / 8] >> (8 - page.bits - bit % 8) & ((1 << page.bits) - 1));
    });
    return;
  }
  switch (element_of(page)) {
    case h5::Element::i8: typed(std::int8_t{}); break;
    case h5::Element::u16: typed(std::uint16_t{}); break;
    case h5::Element::i16: typed(std::int16_t{}); break;
    case h5::Element::u32: typed(std::uint32_t{}); break;
    case h5::Element::i32: typed(std::int32_t{}); break;
    case h5::Element::f32: typed(float{}); break;
    case h5::Element::f64: typed(double{}); break;
    default: typed(std::uint8_t{}); break;
  }
}

// Reads the current page to `to`, where a pixel has `channels` values and this page is the first of them. Strips are
// read row by row: a strip may be as large as the file claims, a row is short.
void read_pixels(const Tiff& file, const Page& page, float* to, std::int64_t channels, double most,
                 const std::string& path) {
  TIFF* tiff = file.get();
  if (page.compression == COMPRESSION_JPEG) ::TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  const bool tiled = ::TIFFIsTiled(tiff) != 0;
  std::uint32_t columns = page.width, rows = 1;
  if (tiled) {
    ::TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &columns);
    ::TIFFGetField(tiff, TIFFTAG_TILELENGTH, &rows);
  }
  const std::uint64_t stride = page.row_bytes(columns);
  // A tile at the border is stored whole, so tiles may be larger than the picture.
  if (columns < 1 || rows < 1 || static_cast<double>(stride) * rows > most ||
      (tiled ? ::TIFFTileSize64(tiff) : ::TIFFScanlineSize64(tiff)) != stride * rows)
    refuse(path, text("has blocks of ", columns, " x ", rows, " pixels, which do not fit to it"),
           "the file is damaged");
  const auto block = std::make_unique_for_overwrite<std::uint8_t[]>(stride * rows);
  std::uint32_t tile = 0;
  for (std::uint16_t plane = 0; plane < (page.separate() ? page.samples : 1); ++plane)
    for (std::uint32_t y = 0; y < page.height; y += std::min(rows, page.height - y))
      for (std::uint32_t x = 0; x < page.width; x += std::min(columns, page.width - x)) {
        const bool ok =
            tiled ? ::TIFFReadEncodedTile(tiff, tile++, block.get(), -1) == static_cast<tmsize_t>(stride * rows)
                  : ::TIFFReadScanline(tiff, block.get(), y, plane) == 1;
        if (!ok)
          refuse(path, text("the pixels from ", x, ", ", y, " on cannot be read (", file.reason(), ")"),
                 "the file is cut off or damaged");
        const std::int64_t first = std::int64_t{y} * page.width + x;
        convert(page, block.get(), stride, std::min(columns, page.width - x), std::min(rows, page.height - y),
                {to + first * channels + plane, channels, channels * page.width});
      }
}

void require_few(std::int64_t pages, const std::string& path) {
  if (pages >= kMostPages) refuse(path, text("has more than ", kMostPages, " pages"));
}

// Keeps the page that is read where pages are pictures of their own.
void keep_page(std::vector<std::uint64_t>& places, const ReadOptions& options, const std::string& path) {
  const std::int64_t pages = std::ssize(places), page = std::max<std::int64_t>(options.page, 0);
  if (pages > 1 && pages_are_cases(options.axes) && options.page < 0)
    refuse(path, text("has ", pages, " pages, each an image of its own"), "name one of them, as FILE.tif[0]");
  if (page >= pages) refuse(path, text("page ", page, " is named, outside 0..", pages - 1));
  places = {nth(places, page)};
}

std::vector<Colour> read_palette(const Tiff& file, const Page& page, const std::string& path) {
  std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
  if (::TIFFGetField(file.get(), TIFFTAG_COLORMAP, &red, &green, &blue) == 0)
    refuse(path, "has no palette (ColorMap), but indices into one");
  const std::size_t count = std::size_t{1} << page.bits;
  // Colours have 16 bits. Some programs write 8.
  const auto high = [&](const std::uint16_t* c) { return std::any_of(c, c + count, [](int v) { return v > 255; }); };
  const int shift = high(red) || high(green) || high(blue) ? 8 : 0;
  std::vector<Colour> palette(count);
  for (std::size_t i = 0; i < count; ++i)
    palette[i] = {static_cast<std::uint8_t>(red[i] >> shift), static_cast<std::uint8_t>(green[i] >> shift),
                  static_cast<std::uint8_t>(blue[i] >> shift)};
  return palette;
}

// ImageJ has no whole numbers with a sign: it stores those of 16 bits plus 32768 and writes the straight line back. It
// ignores the line where values are real, and it drops it where 16 bits become 8.
void calibrate(Image& image, double slope, double intercept) {
  const double most = std::abs(slope) * 65535 + std::abs(intercept);
  if (image.element != h5::Element::u16 || slope == 0 || !(most <= 1e30) || (slope == 1 && intercept == 0)) return;
  float* values = image.values.data<float>();
  for (std::int64_t i = 0; i < image.values.numel(); ++i)
    values[i] = static_cast<float>(slope * static_cast<double>(values[i]) + intercept);
  image.notes.push_back(text("The values are ", slope, " times the stored ones plus ", intercept,
                             ": This calibration is that of ImageJ's description."));
}

// The pages of a file, without small copies of others and without their masks.
struct Pages {
  std::vector<std::uint64_t> places;  // of their directories: by number, libtiff would walk from the first page
  Page first;
  std::string description;
  float x = 0, y = 0;  // resolution
  std::uint16_t orientation = 1;
  std::int64_t skipped = 0;
  double total = 0;  // bytes
  bool inverted_greys = false;
};

Pages list_pages(const Tiff& file, std::uint64_t bytes, const ReadOptions& options, const std::string& path) {
  TIFF* tiff = file.get();
  Pages pages;
  std::int64_t number = 0;
  do {
    Page page = read_page(tiff);
    require_few(number, path);
    if (is_extra(page)) {
      ++pages.skipped;
      continue;
    }
    if (pages.places.empty()) {
      const char* words = nullptr;
      if (::TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &words) != 0 && words != nullptr) pages.description = words;
    }
    // ImageJ marks so what it shows in inverted greys. Its values, and the labels of a mask, are those that it stores.
    if (page.photometric == PHOTOMETRIC_MINISWHITE && pages.description.starts_with("ImageJ=")) {
      page.photometric = PHOTOMETRIC_MINISBLACK;
      pages.inverted_greys = true;
    }
    if (pages.places.empty()) {
      check_page(page, bytes, path);
      pages.first = page;
      ::TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &pages.x);
      ::TIFFGetField(tiff, TIFFTAG_YRESOLUTION, &pages.y);
      ::TIFFGetField(tiff, TIFFTAG_ORIENTATION, &pages.orientation);
    }
    Page same = page;
    same.subfile = pages.first.subfile;
    if (same != pages.first && options.axes != "YX")
      refuse(path,
             text("page ", number, " is another kind of picture than the first: ", page.width, " x ", page.height,
                  " pixels, ", page.samples, " samples of ", page.bits, " bits, instead of ", pages.first.width, " x ",
                  pages.first.height, ", ", pages.first.samples, " of ", pages.first.bits),
             "write the pages to files of their own; with axes \"YX\" the first is read");
    pages.total += page.bytes();
    pages.places.push_back(::TIFFCurrentDirOffset(tiff));
  } while (++number, ::TIFFReadDirectory(tiff) != 0);
  if (!file.reason().empty()) refuse(path, "is damaged (" + file.reason() + ")");
  if (pages.places.empty()) refuse(path, "has no page that is not a small copy or a mask of another");
  return pages;
}

// The same for a file of which one page after the other is read: to list all of them for each page would take a time
// that grows with the square. It is known as long as KeepTiffs keeps the bytes.
std::shared_ptr<const Pages> pages_in(const std::shared_ptr<std::string>& content, const Tiff& file,
                                      const ReadOptions& options, const std::string& path) {
  struct Known {
    std::weak_ptr<std::string> content;
    std::string axes;
    std::shared_ptr<const Pages> pages;
  };
  thread_local std::vector<Known> known;
  std::erase_if(known, [](const Known& one) { return one.content.expired(); });
  for (const Known& one : known)
    if (one.content.lock() == content && one.axes == options.axes) return one.pages;
  auto pages = std::make_shared<const Pages>(list_pages(file, content->size(), options, path));
  if (options.page >= 0) known.push_back({content, options.axes, pages});
  return pages;
}

}  // namespace

std::int64_t tiff_pages(const std::string& path) {
  const std::shared_ptr<std::string> content = kept_bytes(path, true);
  const Tiff file(*content, path);
  std::int64_t number = 0, pages = 0;
  do {
    require_few(number, path);
    pages += is_extra(read_page(file.get())) ? 0 : 1;
  } while (++number, ::TIFFReadDirectory(file.get()) != 0);
  if (!file.reason().empty()) refuse(path, "is damaged (" + file.reason() + ")");
  return pages;
}

Image read_tiff(const std::string& path, const ReadOptions& options) {
  const std::shared_ptr<std::string> content = kept_bytes(path, options.page >= 0);
  const std::uint64_t bytes = content->size();
  const Tiff file(*content, path);
  TIFF* tiff = file.get();
  const std::shared_ptr<const Pages> pages = pages_in(content, file, options, path);
  std::vector<std::uint64_t> places = pages->places;
  const Page& first = pages->first;

  PageAxes axes =
      axes_of_pages(std::ssize(places), first.samples, pages->description, pages->x, pages->y, options.axes, path);
  if (options.page >= 0 && places.size() > 1 && !pages_are_cases(options.axes))
    refuse(path, text("page ", options.page, " is named, but nothing says that its pages are images of their own"),
           "use the axes NYX");
  if (axes.of == PageAxes::Of::pictures || axes.of == PageAxes::Of::one) keep_page(places, options, path);
  if (first.photometric == PHOTOMETRIC_PALETTE && axes.channels > 1)
    refuse(path,
           text("has a palette, and its ", axes.channels, " channels are pages: an index is the value of no channel"),
           "save the pages as grey, or as one page of RGB");
  if (axes.of != PageAxes::Of::pictures && pages->total > room(first, bytes))
    refuse(path,
           text("claims ", places.size(), " pages of ", first.width, " x ", first.height,
                " pixels, more than the file can hold"),
           "the file is cut off or damaged");
  Image image;
  image.element = element_of(first);
  image.notes = std::move(axes.notes);
  if (pages->skipped > 0)
    image.notes.push_back(text(pages->skipped, " pages: Small copies and masks of others were left out."));
  if (pages->inverted_greys)
    image.notes.push_back("ImageJ shows it in inverted greys: The values are those that are stored, so white is 0.");
  if (first.photometric == PHOTOMETRIC_MINISWHITE)
    image.notes.push_back("White is stored as 0: The values were inverted, so that black is 0.");
  note_orientation(image, pages->orientation);
  image.lossy = first.compression == COMPRESSION_JPEG;
  if (image.lossy)
    image.notes.push_back("The pixels were compressed with JPEG, which changes values: labels cannot be stored so.");
  image.paged = axes.channels > 1;
  const bool volume = axes.of == PageAxes::Of::depth;
  const std::int64_t channels = axes.channels * first.samples;
  image.values = empty(volume ? Shape{axes.depth, first.height, first.width, channels}
                              : Shape{first.height, first.width, channels});
  image.physical = !axes.spacing.empty();
  image.spacing = image.physical ? axes.spacing : std::vector<double>(3, 1.0);
  if (!volume) image.spacing.erase(image.spacing.begin());
  for (std::int64_t i = 0; i < std::ssize(places); ++i) {
    const std::int64_t z = axes.channels_first ? i / axes.channels : i % axes.depth;
    const std::int64_t c = axes.channels_first ? i % axes.channels : i / axes.depth;
    if (::TIFFSetSubDirectory(tiff, nth(places, i)) == 0)
      refuse(path, text("page ", i, " cannot be read (", file.reason(), ")"));
    if (i == 0 && first.photometric == PHOTOMETRIC_PALETTE) image.palette = read_palette(file, first, path);
    float* to = image.values.data<float>() + z * first.height * first.width * channels + c * first.samples;
    read_pixels(file, first, to, channels, std::max(room(first, bytes), first.bytes()), path);
  }
  calibrate(image, axes.slope, axes.intercept);
  return image;
}

}  // namespace voxgrad::data::detail

namespace voxgrad::data {

bool has_tiff() { return true; }

}  // namespace voxgrad::data
