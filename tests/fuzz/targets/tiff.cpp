// TIFF: pages, strips, tiles and compressions. Pages that do not say what they are get axes.
#include "data/formats/formats_detail.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"
#ifdef VOXGRAD_HAS_TIFF
#include <tiffio.h>
#endif

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found;
  for (const bool big : {false, true}) {
    found.push_back(tiff_bytes({tiff_page(11, 7, 8, noise(231), 3), tiff_page(11, 7, 8, noise(231), 3)}, big, big));
    found.push_back(tiff_bytes({tiff_page(11, 7, 16, noise(154))}, big));
    found.push_back(
        tiff_bytes({tiff_page(11, 7, 4, noise(42)).set(262, 3, {3}).set(320, 3, std::vector<std::uint32_t>(48, 9))}));
    found.push_back(tiff_bytes({tiff_page(11, 7, 32, noise(308))
                                    .set(339, 3, {3})
                                    .describe("ImageJ=1\nimages=2\nslices=2\nunit=mm\nspacing=2\n"),
                                tiff_page(11, 7, 32, noise(308)).set(339, 3, {3})},
                               big));
    found.push_back(tiff_bytes(
        {tiff_page(11, 7, 8, noise(77))
             .describe(
                 "<OME><Image><Pixels DimensionOrder=\"XYZCT\" SizeZ=\"1\" SizeC=\"1\" SizeT=\"1\" PhysicalSizeX=\"1\">"
                 "<TiffData IFD=\"0\" FirstZ=\"0\"/></Pixels></Image></OME>")}));
  }
#ifdef VOXGRAD_HAS_TIFF
  const std::string path = as_file("seed.tif", "");
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
      found.push_back(bytes_of(path));
    }
#endif
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = as_file("input.tif", test::text_of(data, size));
  for (const char* axes : {"", "ZYX"}) read_or_refuse([&] { data::detail::read_tiff(path, {axes}); });
  return 0;
}
