// TIFF: values of every kind of sample, what pages are and who says so, and what is refused.
#include <chrono>
#include <filesystem>

#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;
using h5::Element;

namespace {

using Values = std::vector<float>;

// Whether this build reads TIFF; if not, the reader says what to install.
bool tiff_present() {
  if (has_tiff()) return true;
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(1, 1, 8, "a")})), "libtiff-dev"));
  MESSAGE("skipped: this build has no TIFF");
  return false;
}

template <class T>
std::string samples(const std::vector<T>& numbers, bool big = false) {
  std::string bytes;
  for (const T number : numbers) append(bytes, number, big);
  return bytes;
}

// `count` pages of 2 x 1 pixels: page p has the values 10 p and 10 p + 1.
std::vector<TiffPage> stack(int count, const std::string& description = {}) {
  std::vector<TiffPage> pages;
  for (int p = 0; p < count; ++p)
    pages.push_back(tiff_page(2, 1, 8, {static_cast<char>(10 * p), static_cast<char>(10 * p + 1)}));
  if (!description.empty()) pages[0].describe(description);
  return pages;
}

std::string ome(const std::string& pixels, const std::string& inside = {}) {
  return "<?xml version=\"1.0\"?><OME xmlns=\"x\"><Image ID=\"Image:0\"><Pixels " + pixels + ">" + inside +
         "</Pixels></Image></OME>";
}

}  // namespace

TEST_CASE("samples of all types in both orders of bytes, in the old kind and in BigTIFF") {
  if (!tiff_present()) return;
  for (const bool big : {false, true})
    for (const bool bigtiff : {false, true}) {
      const auto read = [&](std::uint32_t bits, std::uint32_t format, const std::string& bytes) {
        return read_as("a.tif", tiff_bytes({tiff_page(2, 1, bits, bytes).set(339, 3, {format})}, big, bigtiff));
      };
      CHECK(values(read(8, 1, "\x01\xFF")) == Values{1, 255});
      CHECK(values(read(8, 2, "\x01\xFF")) == Values{1, -1});
      CHECK(values(read(16, 1, samples<std::uint16_t>({1, 65535}, big))) == Values{1, 65535});
      CHECK(values(read(16, 2, samples<std::int16_t>({1, -2}, big))) == Values{1, -2});
      CHECK(values(read(32, 1, samples<std::uint32_t>({1, 4000000000}, big))) == Values{1, 4e9F});
      CHECK(values(read(32, 2, samples<std::int32_t>({1, -70000}, big))) == Values{1, -70000});
      CHECK(values(read(32, 3, samples<float>({0.5F, -2}, big))) == Values{0.5F, -2});
      const Image real = read(64, 3, samples<double>({0.25, 1e10}, big));
      CHECK(values(real) == Values{0.25F, 1e10F});
      CHECK(real.element == Element::f64);
      CHECK(!real.physical);
    }
}

TEST_CASE("samples of few bits, white that is zero, and palettes") {
  if (!tiff_present()) return;
  CHECK(values(read_as("a.tif", tiff_bytes({tiff_page(3, 1, 1, "\xA0")}))) == Values{255, 0, 255});
  CHECK(values(read_as("a.tif", tiff_bytes({tiff_page(3, 1, 4, "\x1F\x20")}))) == Values{17, 255, 34});
  CHECK(values(read_as("a.tif", tiff_bytes({tiff_page(2, 1, 8, "\x01\xFF").set(262, 3, {0})}))) == Values{254, 0});
  CHECK(values(read_as("a.tif", tiff_bytes({tiff_page(3, 1, 1, "\xA0").set(262, 3, {0})}))) == Values{0, 255, 0});
  TiffPage white = tiff_page(2, 1, 8, "\x01\xFF").set(262, 3, {0});
  CHECK(noted(read_as("a.tif", tiff_bytes({white})), "White is stored as 0"));
  // ImageJ stores what it means and shows it in inverted greys, real numbers too.
  const Image shown = read_as("a.tif", tiff_bytes({white.describe("ImageJ=1.52p\n")}));
  CHECK(values(shown) == Values{1, 255});
  CHECK(noted(shown, "inverted greys"));
  TiffPage real = tiff_page(2, 1, 32, samples<float>({0.5F, -2})).set(339, 3, {3}).set(262, 3, {0});
  CHECK(contains(refusal("a.tif", tiff_bytes({real})), "white-is-zero with signed or real samples"));
  CHECK(values(read_as("a.tif", tiff_bytes({real.describe("ImageJ=1.52p\n")}))) == Values{0.5F, -2});
  std::vector<std::uint32_t> map(48, 0);
  map[2] = 0xFF00, map[16 + 2] = 0x8000, map[32 + 2] = 0x0100;
  const Image image = read_as("a.tif", tiff_bytes({tiff_page(3, 1, 4, "\x12\x30").set(262, 3, {3}).set(320, 3, map)}));
  CHECK(values(image) == Values{1, 2, 3});
  REQUIRE(image.palette.size() == 16);
  CHECK(image.palette[2] == Colour{255, 128, 1});
}

TEST_CASE("pages with a palette are slices, but no channels") {
  if (!tiff_present()) return;
  std::vector<TiffPage> pages = stack(4);
  for (TiffPage& page : pages) page.set(262, 3, {3}).set(320, 3, std::vector<std::uint32_t>(768, 0));
  CHECK(contains(refusal("a.tif", tiff_bytes(pages), "CYX"), "a.tif: has a palette, and its 4 channels are pages"));
  CHECK(read_as("a.tif", tiff_bytes(pages), "YX").palette.size() == 256);
  Image volume = read_as("a.tif", tiff_bytes(pages), "ZYX");
  apply_palette(volume);
  CHECK(volume.values.shape() == Shape{4, 1, 2, 1});
  pages[0].describe("ImageJ=1.53t\nimages=4\nchannels=2\nslices=2\n");
  CHECK(contains(refusal("a.tif", tiff_bytes(pages)), "its 2 channels are pages"));
}

TEST_CASE("channels side by side, in planes of their own, and in tiles") {
  if (!tiff_present()) return;
  CHECK(values(read_as("a.tif", tiff_bytes({tiff_page(2, 1, 8, "abcdef", 3)}))) == Values{97, 98, 99, 100, 101, 102});
  TiffPage planes = tiff_page(2, 1, 8, "", 3);
  planes.set(284, 3, {2});
  planes.blocks = {"ad", "be", "cf"};
  CHECK(values(read_as("a.tif", tiff_bytes({planes}))) == Values{97, 98, 99, 100, 101, 102});
  // 20 x 17 pixels in tiles of 16 x 16: the value at x, y is 10 y + x.
  TiffPage tiles = tiff_page(20, 17, 8, "");
  tiles.blocks.clear();
  for (const int y0 : {0, 16})
    for (const int x0 : {0, 16}) {
      std::string tile;
      for (int i = 0; i < 256; ++i) tile += static_cast<char>(10 * (y0 + i / 16) + x0 + i % 16);
      tiles.blocks.push_back(tile);
    }
  tiles.tiles = true;
  std::erase_if(tiles.tags, [](const TiffTag& tag) { return tag.id == 278; });
  tiles.set(322, 3, {16}).set(323, 3, {16});
  const Image image = read_as("a.tif", tiff_bytes({tiles}));
  REQUIRE(image.values.shape() == Shape{17, 20, 1});
  for (std::int64_t y = 0; y < 17; ++y)
    for (std::int64_t x = 0; x < 20; ++x) CHECK(image.values.at(y, x, 0) == static_cast<double>((10 * y + x) % 256));
  // Several strips, compressed.
  TiffPage strips = tiff_page(2, 3, 8, "");
  strips.blocks = {deflated("abcd"), deflated("ef")};
  strips.set(278, 4, {2}).set(259, 3, {8});
  CHECK(values(read_as("a.tif", tiff_bytes({strips}))) == Values{97, 98, 99, 100, 101, 102});
}

TEST_CASE("what pages are is never guessed") {
  if (!tiff_present()) return;
  const std::string file = tiff_bytes(stack(3));
  const std::string error = refusal("a.tif", file);
  CHECK(contains(error, "3 pages"));
  for (const char* axes : {"ZYX", "CYX", "YX", "NYX"}) CHECK(contains(error, axes));
  const Image volume = read_as("a.tif", file, "ZYX");
  CHECK(volume.values.shape() == Shape{3, 1, 2, 1});
  CHECK(values(volume) == Values{0, 1, 10, 11, 20, 21});
  CHECK(volume.spacing.size() == 3);
  CHECK(!volume.physical);
  const Image channels = read_as("a.tif", file, "CYX");
  CHECK(channels.values.shape() == Shape{1, 2, 3});
  CHECK(values(channels) == Values{0, 10, 20, 1, 11, 21});
  const Image first = read_as("a.tif", file, "YX");
  CHECK(values(first) == Values{0, 1});
  CHECK(noted(first, "3 pages"));
  CHECK(contains(refusal("a.tif", file, "TYX"), "TYX"));
  CHECK(values(read_as("a.tif", tiff_bytes(stack(1)), "ZYX")) == Values{0, 1});  // one page needs no axes
}

TEST_CASE("a page that is a case of its own is read by its number") {
  if (!tiff_present()) return;
  const Folder folder;
  const std::string path = folder.file("a.tif"), png = folder.file("a.png");
  std::vector<TiffPage> pages = stack(4, "ImageJ=1\nimages=4\nslices=4\n");
  pages[1].set(254, 4, {1});  // a small copy of the first is no case
  write_bytes(path, tiff_bytes(pages));
  CHECK(pages_of(path) == 3);
  for (const char* axes : {"NYX", "NYXC"}) {
    CHECK(values(read_image(path, {axes, 0})) == Values{0, 1});
    CHECK(values(read_image(path, {axes, 2})) == Values{30, 31});
    CHECK(contains(error_of([&] { read_image(path, {axes, 3}); }), "page 3 is named, outside 0..2"));
    CHECK(contains(error_of([&] { read_image(path, {axes}); }), "has 3 pages, each an image of its own"));
  }
  CHECK(contains(error_of([&] { read_image(path, {"ZYX", 1}); }), "page 1 is named, but nothing says"));
  write_bytes(path, tiff_bytes(stack(1)));
  CHECK(values(read_image(path, {"NYX"})) == Values{0, 1});
  write_image(png, read_image(path));
  CHECK(pages_of(png) == 1);
  CHECK(contains(error_of([&] { read_image(png, {"NYX", 0}); }), "has no pages"));
}

TEST_CASE("files are kept for their next page while the caller says so, unless they change") {
  if (!tiff_present()) return;
  const Folder folder;
  const std::string path = folder.file("a.tif");
  const auto write_at = [&](const std::vector<TiffPage>& pages, std::filesystem::file_time_type time) {
    write_bytes(path, tiff_bytes(pages));
    std::filesystem::last_write_time(path, time);
  };
  write_bytes(path, tiff_bytes(stack(2)));
  const std::filesystem::file_time_type time = std::filesystem::last_write_time(path);
  std::vector<TiffPage> other = stack(2);
  std::swap(other[0], other[1]);
  {
    const KeepTiffs keep;
    CHECK(pages_of(path) == 2);
    write_at(other, time);  // nothing shows the change, so what is seen is what was kept
    CHECK(values(read_image(path, {"NYX", 0})) == Values{0, 1});
    CHECK(values(read_image(path, {"NYX", 1})) == Values{10, 11});
    write_at(other, time + std::chrono::seconds(2));
    CHECK(values(read_image(path, {"NYX", 0})) == Values{10, 11});
  }
  write_at(stack(2), time + std::chrono::seconds(2));
  CHECK(values(read_image(path, {"NYX", 0})) == Values{0, 1});  // nothing is kept any more
}

TEST_CASE("files of more than 256 MiB are kept for their next page, too") {
  if (!tiff_present()) return;
  const Folder folder;
  const std::string path = folder.file("a.tif");
  std::filesystem::file_time_type time;
  const auto write_large = [&](const std::vector<TiffPage>& pages) {
    write_bytes(path, tiff_bytes(pages));
    std::filesystem::resize_file(path, (std::uintmax_t{256} << 20) + 1);  // a hole: it takes no room
    if (time == std::filesystem::file_time_type{}) time = std::filesystem::last_write_time(path);
    std::filesystem::last_write_time(path, time);
  };
  write_large(stack(2));
  const KeepTiffs keep;
  CHECK(values(read_image(path, {"NYX", 0})) == Values{0, 1});
  std::vector<TiffPage> other = stack(2);
  std::swap(other[0], other[1]);
  write_large(other);  // nothing shows the change, so what is seen is what was kept
  CHECK(values(read_image(path, {"NYX", 1})) == Values{10, 11});
}

TEST_CASE("thousands of pages that are cases are listed once, and anew if the file has changed") {
  if (!tiff_present()) return;
  const Folder folder;
  const std::string path = folder.file("a.tif");
  std::vector<TiffPage> pages;
  for (int p = 0; p < 2500; ++p) pages.push_back(tiff_page(1, 1, 8, std::string(1, static_cast<char>(p))));
  write_bytes(path, tiff_bytes(pages));
  const KeepTiffs keep;
  const auto start = std::chrono::steady_clock::now();
  bool right = true;
  for (int p = 0; p < 2500; ++p)
    right = right && read_image(path, {.axes = "NYX", .page = p}).values.at(0, 0, 0) == p % 256;
  CHECK(right);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
  pages.resize(2);
  write_bytes(path, tiff_bytes(pages));
  CHECK(contains(error_of([&] { read_image(path, {.axes = "NYX", .page = 2}); }), "outside 0..1"));
}

TEST_CASE("ImageJ says what pages are, and how large a voxel is") {
  if (!tiff_present()) return;
  std::vector<TiffPage> pages =
      stack(6, "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\nspacing=2.5\nunit=micron\n");
  pages[0].set(282, 5, {4, 1}).set(283, 5, {2, 1}).set(296, 3, {1});
  const Image image = read_as("a.tif", tiff_bytes(pages));
  CHECK(image.values.shape() == Shape{3, 1, 2, 2});
  CHECK(values(image) == Values{0, 10, 1, 11, 20, 30, 21, 31, 40, 50, 41, 51});  // channels change first
  CHECK(image.physical);
  REQUIRE(image.spacing.size() == 3);
  CHECK(std::abs(image.spacing[0] - 0.0025) < 1e-9);
  CHECK(std::abs(image.spacing[1] - 0.0005) < 1e-9);
  CHECK(std::abs(image.spacing[2] - 0.00025) < 1e-9);
  CHECK(noted(image, "3 slices x 2 channels by the description of ImageJ: They are read so."));
  std::vector<TiffPage> nanometres = stack(3, "ImageJ=1.53t\nimages=3\nslices=3\nspacing=50\nunit=micron\nzunit=nm\n");
  nanometres[0].set(282, 5, {4, 1}).set(283, 5, {2, 1}).set(296, 3, {1});
  CHECK(std::abs(read_as("a.tif", tiff_bytes(nanometres)).spacing[0] - 50e-6) < 1e-12);
  std::vector<TiffPage> huge =
      stack(6, "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\nspacing=2.5e30\nunit=micron\n");
  huge[0].set(282, 5, {4, 1}).set(283, 5, {2, 1}).set(296, 3, {1});
  CHECK(contains(refusal("a.tif", tiff_bytes(huge)), "a.tif: spacing must be 3 positive numbers"));
  // What a person says goes first.
  CHECK(read_as("a.tif", tiff_bytes(pages), "CYX").values.shape() == Shape{1, 2, 6});
  const std::string frames = refusal("a.tif", tiff_bytes(stack(4, "ImageJ=1\nimages=4\nframes=4\n")));
  CHECK(contains(frames, "4 times (frames)"));
  CHECK(contains(frames, "ZYX"));
  CHECK(read_as("a.tif", tiff_bytes(stack(4, "ImageJ=1\nimages=4\nframes=4\n")), "ZYX").values.extent(0) == 4);
  CHECK(contains(refusal("a.tif", tiff_bytes(stack(4, "ImageJ=1\nimages=4\n"))), "nothing in it says"));
  CHECK(contains(refusal("a.tif", tiff_bytes(stack(4, "ImageJ=1\nslices=3\n"))), "4 pages, but 3 slices"));
  CHECK(contains(refusal("a.tif", tiff_bytes(stack(1, "ImageJ=1\nimages=9\nslices=9\n"))), "OME-TIFF"));
}

TEST_CASE("ImageJ says by which straight line 16 bits have a sign") {
  if (!tiff_present()) return;
  const auto read = [](std::uint32_t bits, const std::string& pixels, const std::string& line) {
    return read_as("a.tif", tiff_bytes({tiff_page(2, 1, bits, pixels).describe("ImageJ=1.53t\n" + line)}));
  };
  const std::string stored = samples<std::uint16_t>({31768, 32768});
  const Image signs = read(16, stored, "cf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n");
  CHECK(values(signs) == Values{-1000, 0});
  CHECK(noted(signs, "1 times the stored ones plus -32768: "));
  for (const char* line : {"cf=1\nc0=-32768.0\nc1=1.0\n", "cf=0\nc0=nan\n", "cf=0\nc0=7\nc1=0\n", "cf=0\nc1=inf\n"})
    CHECK(values(read(16, stored, line)) == Values{31768, 32768});
  CHECK(values(read(8, "\x01\x02", "cf=0\nc0=-1\nc1=2\n")) == Values{1, 2});
}

TEST_CASE("OME says what pages are, and how large a voxel is") {
  if (!tiff_present()) return;
  const std::string sizes = "SizeX=\"2\" SizeY=\"1\" SizeZ=\"3\" SizeC=\"2\" ";
  const std::string physical =
      "PhysicalSizeX=\"0.25\" PhysicalSizeY=\"0.5\" PhysicalSizeYUnit=\"\xC2\xB5m\" "
      "PhysicalSizeZ=\"2\" PhysicalSizeZUnit=\"mm\"";
  const auto read = [&](const std::string& pixels, const std::string& inside = {}) {
    return read_as("a.tif", tiff_bytes(stack(6, ome(pixels, inside))));
  };
  const Image depth_first = read("DimensionOrder=\"XYZCT\" SizeT=\"1\" " + sizes + physical);
  CHECK(depth_first.values.shape() == Shape{3, 1, 2, 2});
  CHECK(values(depth_first) == Values{0, 30, 1, 31, 10, 40, 11, 41, 20, 50, 21, 51});
  CHECK(depth_first.spacing == std::vector<double>{2, 0.0005, 0.00025});
  for (const char* unit : {"&#181;m", "&#xB5;m", "&#xb5;m", "&#956;m"})
    CHECK(read("DimensionOrder=\"XYZCT\" " + sizes + physical + " PhysicalSizeXUnit=\"" + unit + "\"").spacing ==
          depth_first.spacing);
  const Image furlongs = read("DimensionOrder=\"XYZCT\" " + sizes + physical + " PhysicalSizeXUnit=\"furlong\"");
  CHECK(!furlongs.physical);
  CHECK(noted(furlongs, "No size of voxels was read"));
  const Image channels_first = read("DimensionOrder=\"XYCZT\" SizeT=\"1\" " + sizes);
  CHECK(values(channels_first) == Values{0, 10, 1, 11, 20, 30, 21, 31, 40, 50, 41, 51});
  CHECK(!channels_first.physical);
  // Nothing says how far apart times are if they are slices after all.
  const std::string times = "DimensionOrder=\"XYZCT\" SizeZ=\"1\" SizeC=\"1\" SizeT=\"6\" PhysicalSizeX=\"0.5\" ";
  const Image told = read_as("a.tif", tiff_bytes(stack(6, ome(times + "PhysicalSizeY=\"0.5\""))), "ZYX");
  CHECK(told.values.extent(0) == 6);
  CHECK(!told.physical);
  const auto refused = [&](const std::string& pixels, const std::string& inside = {}) {
    return error_of([&] { read(pixels, inside); });
  };
  CHECK(contains(refused("DimensionOrder=\"XYZCT\" SizeT=\"6\""), "6 times"));
  // A file of a set has the description of the set.
  const std::string set = ome("DimensionOrder=\"XYZCT\" SizeZ=\"1\" SizeC=\"1\" SizeT=\"6\"");
  CHECK(values(read_as("a.tif", tiff_bytes(stack(1, set)))) == Values{0, 1});
  CHECK(contains(refused("DimensionOrder=\"XYZCT\" SizeZ=\"6\" SizeT=\"5\""), "ZYX"));
  CHECK(contains(refused("DimensionOrder=\"XYZCT\" SizeZ=\"5\""), "6 pages, but 5 slices"));
  CHECK(contains(refused(sizes), "DimensionOrder"));
  CHECK(contains(refused("DimensionOrder=\"XYZCT\" " + sizes, "<TiffData IFD=\"1\" FirstC=\"1\" FirstZ=\"0\"/>"),
                 "against its DimensionOrder"));
  CHECK(refused("DimensionOrder=\"XYZCT\" " + sizes, "<TiffData IFD=\"4\" FirstC=\"1\" FirstZ=\"1\"/>").empty());
  CHECK(contains(refused("DimensionOrder=\"XYZCT\" ", "</Pixels><Pixels SizeZ=\"6\">"), "2 images"));
}

TEST_CASE("a description that names tags inside of tags takes no more memory than itself") {
  if (!tiff_present()) return;
  std::string xml = "<OME><Pixels DimensionOrder=\"XYZCT\"/>";
  for (int i = 0; i < 100'000; ++i) xml += ":TiffData ";
  CHECK(values(read_as("a.tif", tiff_bytes(stack(1, xml)))) == Values{0, 1});
}

TEST_CASE("dots per inch of a photograph are no size of its pixels") {
  if (!tiff_present()) return;
  TiffPage page = tiff_page(2, 1, 8, "ab");
  page.set(282, 5, {72, 1}).set(283, 5, {72, 1}).set(296, 3, {2});
  const Image image = read_as("a.tif", tiff_bytes({page}));
  CHECK(!image.physical);
  CHECK(image.spacing == std::vector<double>{1, 1});
  // Micrometres as tifffile writes them, and a direction that there is not: libtiff leaves both out.
  const Image needless = read_as("a.tif", tiff_bytes({page.set(296, 3, {5}).set(274, 3, {0})}));
  CHECK(values(needless) == Values{'a', 'b'});
  CHECK(!needless.turned);
  const Image turned = read_as("a.tif", tiff_bytes({page.set(274, 3, {6})}));
  CHECK(turned.turned);
  CHECK(noted(turned, "orientation 6"));
}

TEST_CASE("small copies are left out, and pages of another kind are refused") {
  if (!tiff_present()) return;
  const TiffPage page = tiff_page(2, 1, 8, "ab");
  TiffPage small = tiff_page(1, 1, 8, "c");
  small.set(254, 4, {1});
  const Image image = read_as("a.tif", tiff_bytes({page, small}));
  CHECK(values(image) == Values{'a', 'b'});
  CHECK(noted(image, "left out"));
  const std::string other = tiff_bytes({page, tiff_page(1, 2, 8, "cd")});
  CHECK(contains(refusal("a.tif", other, "ZYX"), "page 1"));
  CHECK(values(read_as("a.tif", other, "YX")) == Values{'a', 'b'});
}

TEST_CASE("damaged TIFF files, and kinds without a meaning here, are refused") {
  if (!tiff_present()) return;
  const std::string good = tiff_bytes(stack(2, "ImageJ=1\nimages=2\nslices=2\n"));
  REQUIRE(refusal("a.tif", good).empty());
  CHECK(every_beginning_is_refused("a.tif", good, good.size() - 4));  // the last four only say that no page follows
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(60000, 60000, 8, "ab")})), "more than the file can hold"));
  TiffPage strips = tiff_page(2, 2, 8, "");
  strips.blocks = {"ab", "c"};
  CHECK(contains(refusal("a.tif", tiff_bytes({strips.set(278, 4, {1})})), "cannot be read"));
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(1, 1, 8, "abcd").set(262, 3, {5})})), "CMYK"));
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(1, 1, 8, "abcd").set(262, 3, {8})})), "type 8"));
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(1, 1, 64, "abcdefgh")})), "64 bits"));
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(1, 1, 16, "ab").set(339, 3, {3})})), "16 bits, format 3"));
  CHECK(contains(refusal("a.tif", tiff_bytes({tiff_page(1, 1, 8, "ab").set(259, 3, {6})})), "method 6"));
  TiffPage torn = tiff_page(64, 64, 8, deflated(std::string(4096, 'a')).substr(0, 10));
  CHECK(contains(refusal("a.tif", tiff_bytes({torn.set(259, 3, {8})})), "cannot be read"));
  // Pages in a circle: the last one names the first as its next.
  std::string circle = tiff_bytes({tiff_page(2, 1, 8, "ab")});
  const std::string first = circle.substr(4, 4);
  circle.replace(circle.size() - 4, 4, first);
  CHECK(values(read_as("a.tif", circle)) == Values{97, 98});  // it ends
}

TEST_CASE("what is written is read back, with its spacing, channels and palette") {
  if (!tiff_present()) return;
  const Folder folder;
  const std::string path = folder.file("a.tif");
  for (const Element element : {Element::u8, Element::u16, Element::i16, Element::f32})
    for (const std::int64_t channels : {1, 2, 3, 4, 5})
      for (const bool volume : {false, true}) {
        Image image = ramp(volume ? Shape{3, 2, 4, channels} : Shape{2, 4, channels}, element);
        if (element == Element::f32) image.values.data<float>()[0] = 0.5F;
        image.physical = true;
        image.spacing = volume ? std::vector<double>{2.5, 0.5, 0.25} : std::vector<double>{0.5, 0.25};
        write_image(path, image);
        const Image back = read_image(path);
        CHECK(back.values.shape() == image.values.shape());
        CHECK(values(back) == values(image));
        CHECK(back.element == element);
        CHECK(back.physical);
        CHECK(back.spacing == image.spacing);
      }
  const Image plain = ramp({2, 3, 4, 1}, Element::u8);
  write_image(path, plain);
  CHECK(!read_image(path).physical);
  CHECK(read_image(path).values.shape() == plain.values.shape());
  Image labels = ramp({2, 2, 1}, Element::u8);
  labels.palette = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {9, 8, 7}};
  write_image(path, labels);
  CHECK(values(read_image(path)) == Values{0, 1, 2, 3});
  CHECK(read_image(path).palette[3] == Colour{9, 8, 7});
  CHECK(contains(error_of([&] { write_image(path, ramp({2, 2, 1}, Element::f64)); }), "f64"));
  CHECK(contains(error_of([&] { write_image(path, ramp({2, 2, 1}, Element::i16, 20000)); }), "40000"));
}
