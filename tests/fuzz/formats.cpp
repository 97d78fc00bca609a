// Reads image files that were mutated: fuzz_formats [COUNT [SEED [KIND]]]. Each either is read or is an Error, within a
// bound of memory; with the sanitizers nothing else may happen either. The last file stays in the folder that is
// printed if the process dies.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "data/formats/formats_detail.h"
#include "data/formats/png.h"
#include "engine/random.h"
#include "tests/data/formats/files.h"
#include "tests/files.h"
#ifdef VOXGRAD_HAS_TIFF
#include <tiffio.h>
#endif

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

constexpr long kMostMegabytes = 3000;  // with what the sanitizer keeps

std::string noise(std::size_t bytes) {
  Random random(7);
  std::string result;
  for (std::size_t i = 0; i < bytes; ++i) result += static_cast<char>(random.bits() % 5 * 50);
  return result;
}

std::vector<std::string> png_seeds() {
  std::vector<std::string> seeds;
  for (const auto& [bits, colour, row] : {std::tuple{1, 0, 2},
                                          {2, 0, 3},
                                          {4, 0, 6},
                                          {8, 0, 11},
                                          {16, 0, 22},
                                          {8, 2, 33},
                                          {16, 2, 66},
                                          {1, 3, 2},
                                          {4, 3, 6},
                                          {8, 3, 11},
                                          {8, 4, 22},
                                          {8, 6, 44}}) {
    PngBytes png{11, 7, bits, colour, std::vector<std::string>(7, noise(static_cast<std::size_t>(row)))};
    if (colour == 3) png.before = png_chunk("PLTE", noise(bits == 1 ? 6 : 48)) + png_chunk("tRNS", "a");
    seeds.push_back(png.str());
    png.level = 0;  // where a change reaches the pixels
    seeds.push_back(png.str());
  }
  const std::string pixels = noise(40 * 30 * 3);
  const auto* samples = reinterpret_cast<const std::uint8_t*>(pixels.data());
  seeds.push_back(to_png({30, 40, 3}, 8, {samples, pixels.size()}));
  return seeds;
}

std::vector<std::string> jpeg_seeds() {
  std::vector<std::string> seeds{progressive_jpeg()};
  const std::string pixels = noise(40 * 30 * 3);
  const auto append_to = [](void* to, void* bytes, int count) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), static_cast<std::size_t>(count));
  };
  for (const int channels : {1, 3})
    for (const int quality : {20, 95}) {  // with and without colours of half the resolution
      std::string bytes;
      ::stbi_write_jpg_to_func(append_to, &bytes, 40, 30, channels, pixels.data(), quality);
      seeds.push_back(bytes);
    }
  return seeds;
}

std::vector<std::string> nifti_seeds() {
  std::vector<std::string> seeds;
  for (const int version : {1, 2})
    for (const bool big : {false, true})
      for (const auto& [type, bytes] : {std::pair{2, 1}, {4, 2}, {16, 4}, {64, 8}, {1024, 8}, {128, 3}}) {
        NiftiBytes file(version, {3, 5, 4, 3}, type,
                        type == 1024 ? std::string(480, '\0') : noise(static_cast<std::size_t>(60 * bytes)), big);
        file.set("scl_slope", {2}).set("scl_inter", {1}).set("qform_code", {1}).set("quatern", {0.5, 0.5, 0.5});
        if (version == 2) file.set("sform_code", {1}).set("srow", {1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 2, 7});
        seeds.push_back(file.str());
      }
  seeds.push_back(NiftiBytes(1, {5, 5, 4, 3, 1, 3}, 512, noise(360)).str());
  return seeds;
}

std::vector<std::string> tiff_seeds([[maybe_unused]] const std::string& path) {
  std::vector<std::string> seeds;
  for (const bool big : {false, true}) {
    seeds.push_back(tiff_bytes({tiff_page(11, 7, 8, noise(231), 3), tiff_page(11, 7, 8, noise(231), 3)}, big, big));
    seeds.push_back(tiff_bytes({tiff_page(11, 7, 16, noise(154))}, big));
    seeds.push_back(
        tiff_bytes({tiff_page(11, 7, 4, noise(42)).set(262, 3, {3}).set(320, 3, std::vector<std::uint32_t>(48, 9))}));
    seeds.push_back(tiff_bytes({tiff_page(11, 7, 32, noise(308))
                                    .set(339, 3, {3})
                                    .describe("ImageJ=1\nimages=2\nslices=2\nunit=mm\nspacing=2\n"),
                                tiff_page(11, 7, 32, noise(308)).set(339, 3, {3})},
                               big));
    seeds.push_back(tiff_bytes(
        {tiff_page(11, 7, 8, noise(77))
             .describe(
                 "<OME><Image><Pixels DimensionOrder=\"XYZCT\" SizeZ=\"1\" SizeC=\"1\" SizeT=\"1\" PhysicalSizeX=\"1\">"
                 "<TiffData IFD=\"0\" FirstZ=\"0\"/></Pixels></Image></OME>")}));
  }
#ifdef VOXGRAD_HAS_TIFF
  std::string pixels = noise(64 * 48 * 3 * 2);
  for (const int compression : {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_PACKBITS, COMPRESSION_ADOBE_DEFLATE,
                                COMPRESSION_JPEG, COMPRESSION_LZMA, COMPRESSION_ZSTD, COMPRESSION_WEBP,
                                COMPRESSION_LERC, COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4})
    for (const int form : {0, 1, 2}) {  // strips, tiles, tiles with separate planes
      const bool fax = compression == COMPRESSION_CCITTRLE || compression == COMPRESSION_CCITTFAX3 ||
                       compression == COMPRESSION_CCITTFAX4;
      if (::TIFFIsCODECConfigured(static_cast<std::uint16_t>(compression)) == 0 ||
          ((fax || compression == COMPRESSION_WEBP) && form == 2))
        continue;
      TIFF* tiff = ::TIFFOpen(path.c_str(), "w");
      ::TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 40);
      ::TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 30);
      ::TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, fax ? 1 : 8);
      ::TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, fax ? 1 : 3);
      ::TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, fax ? PHOTOMETRIC_MINISWHITE : PHOTOMETRIC_RGB);
      ::TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, form == 2 ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
      ::TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
      if (form == 0) {
        ::TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 16);
        for (std::uint32_t y = 0; y < 30; ++y) ::TIFFWriteScanline(tiff, pixels.data() + 40 * y, y, 0);
      } else {
        ::TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 32);
        ::TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
        for (std::uint32_t t = 0; t < ::TIFFNumberOfTiles(tiff); ++t)
          ::TIFFWriteEncodedTile(tiff, t, pixels.data() + t, ::TIFFTileSize(tiff));
      }
      ::TIFFClose(tiff);
      seeds.push_back(bytes_of(path));
    }
#endif
  return seeds;
}

// One to eight changes, most of them in the first bytes, where headers are.
std::string mutated(const std::vector<std::string>& seeds, Random& random) {
  const auto below = [&](std::size_t n) {
    return n == 0 ? std::size_t{0} : static_cast<std::size_t>(random.bits64() % n);
  };
  std::string bytes = seeds[below(seeds.size())];
  static const std::uint64_t kNumbers[] = {0,
                                           1,
                                           2,
                                           3,
                                           7,
                                           8,
                                           16,
                                           255,
                                           256,
                                           1000,
                                           32767,
                                           32768,
                                           65535,
                                           65536,
                                           1u << 20,
                                           0x7FFFFFFF,
                                           0x80000000,
                                           0xFFFFFFFF,
                                           std::uint64_t{1} << 40,
                                           ~std::uint64_t{0},
                                           std::uint64_t{1} << 63,
                                           0x7FC00000,
                                           0x7F800000};
  const std::size_t changes = 1 + below(below(8) + 1);
  for (std::size_t change = 0; change < changes && !bytes.empty(); ++change) {
    const std::size_t at = below(random.bits() % 4 != 0 ? std::min<std::size_t>(bytes.size(), 600) : bytes.size());
    switch (below(10)) {
      case 0: bytes[at] = static_cast<char>(random.bits()); break;
      case 1:
      case 2: bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8)); break;
      case 3: bytes[at] = static_cast<char>(bytes[at] + (random.bits() % 2 != 0 ? 1 : -1)); break;
      case 4: bytes.resize(at); break;
      case 5: {
        const std::string& other = seeds[below(seeds.size())];
        const std::size_t from = below(other.size());
        bytes.replace(at, below(bytes.size() - at), other.substr(from, below(200)));
        break;
      }
      case 6: bytes.erase(at, below(16)); break;
      case 7: bytes.insert(at, bytes.substr(at, below(32))); break;
      default: {
        std::string number;
        const std::uint64_t value = kNumbers[below(std::size(kNumbers))];
        const bool big = random.bits() % 2 != 0;
        switch (below(3)) {
          case 0: append(number, static_cast<std::uint16_t>(value), big); break;
          case 1: append(number, static_cast<std::uint32_t>(value), big); break;
          default: append(number, value, big); break;
        }
        bytes.replace(at, std::min(number.size(), bytes.size() - at), number);
      }
    }
  }
  return bytes;
}

// Makes the checksums of all chunks right again, so that what is behind them is reached.
void mend_checksums(std::string& png) {
  for (std::size_t at = 8; at + 12 <= png.size();) {
    std::uint32_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::uint8_t>(png[at + i]);
    if (length > png.size() - at - 12) return;
    const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(png.data() + at + 4), length + 4);
    std::string number;
    append(number, static_cast<std::uint32_t>(crc), true);
    png.replace(at + 8 + length, 4, number);
    at += 12 + std::size_t{length};
  }
}

struct Subject {
  std::string name;
  std::vector<std::string> seeds;
  std::function<void(std::string&, Random&)> finish;  // the last change
  std::function<Image(const std::string& bytes, const std::string& path)> read;
};

long megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

bool run(const Subject& subject, std::uint64_t count, std::uint64_t seed, const Folder& folder) {
  const std::string path = folder.file("case." + subject.name), copy = folder.file("copy.nii");
  for (const std::string& valid : subject.seeds) {
    write_bytes(path, valid);
    try {
      subject.read(valid, path);
    } catch (const Error& error) {
      if (error.message().find("says what they are") != std::string::npos) continue;  // pages without axes
      std::printf("%s: a seed is refused: %s\n", subject.name.c_str(), error.what());
      return false;
    }
  }
  std::uint64_t read = 0, refused = 0, not_written = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    Random random = Random(seed).fork(i);
    std::string bytes = mutated(subject.seeds, random);
    if (subject.finish) subject.finish(bytes, random);
    write_bytes(path, bytes);
    try {
      std::optional<Image> image;
      try {
        image = subject.read(bytes, path);
      } catch (const Error&) {
        ++refused;
      }
      if (image) ++read;
      // What was read can be written, or an Error says why not.
      try {
        if (image) image->element = h5::Element::f32;
        if (image && !image->header.empty() && random.bits() % 16 == 0) write_image(copy, *image);
      } catch (const Error&) {
        ++not_written;
      }
    } catch (const std::exception& other) {
      std::printf("%s: case %llu: %s\n", subject.name.c_str(), static_cast<unsigned long long>(i), other.what());
      return false;
    }
    if (i % 64 == 0 && megabytes() > kMostMegabytes) {
      std::printf("%s: case %llu: %ld MB of memory\n", subject.name.c_str(), static_cast<unsigned long long>(i),
                  megabytes());
      return false;
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%-5s %llu cases: %llu read, %llu refused, %llu not written again, %.1f s, %ld MB at most\n",
              subject.name.c_str(), static_cast<unsigned long long>(count), static_cast<unsigned long long>(read),
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(not_written), seconds,
              megabytes());
  std::fflush(stdout);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const std::string only = argc > 3 ? argv[3] : "";
  const Folder folder;
  std::printf("folder %s\n", folder.file("").c_str());
  std::fflush(stdout);
  std::vector<Subject> subjects{
      {"png", png_seeds(),
       [](std::string& bytes, Random& random) {
         if (random.bits() % 2 != 0) mend_checksums(bytes);
       },
       [](const std::string& bytes, const std::string& path) { return data::detail::decode_png(bytes, path); }},
      {"jpeg", jpeg_seeds(), {}, [](const std::string& bytes, const std::string& path) {
         return data::detail::decode_jpeg(bytes, path);
       }}};
  if (has_nifti())
    subjects.push_back({"nifti", nifti_seeds(),
                        [](std::string& bytes, Random& random) {
                          if (random.bits() % 4 == 0) bytes = gzipped(bytes);
                        },
                        [](const std::string&, const std::string& path) { return data::detail::read_nifti(path); }});
  if (has_tiff())
    subjects.push_back(
        {"tiff", tiff_seeds(folder.file("seed.tif")), {}, [](const std::string& bytes, const std::string& path) {
           return data::detail::read_tiff(path, {bytes.size() % 2 == 0 ? "" : "ZYX"});
         }});
  bool good = true;
  for (const Subject& subject : subjects)
    if (only.empty() || only == subject.name) good = run(subject, count, seed, folder) && good;
  std::printf("%s kinds were tried\n", good ? "all" : "not all");
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
