// Skeletons of masks, as scikit-image 0.26 makes them: images are thinned by Zhang and Suen (Communications of the ACM
// 1984), volumes by Lee, Kashyap and Chu (CVGIP 1994). Both remove voxels at the border, round after round, if that
// changes neither the connectivity nor the ends of lines. A margin of zeros makes every voxel an inner one.
#include <algorithm>
#include <bit>
#include <span>
#include <utility>
#include <vector>

#include "engine/cpu/isa.h"

#include "engine/cpu/axes.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// A mask with its margin, and those of its voxels that have an empty neighbour, in the order of memory. Only these can
// be removed; a voxel that is removed exposes its neighbours.
struct Thinning {
  std::vector<std::uint8_t> set, listed;
  std::vector<std::int64_t> border;
  std::int64_t row, plane;  // voxels from one row, and from one plane, to the next

  Thinning(const std::uint8_t* mask, const Extents& extent)
      : set(static_cast<std::size_t>((extent[0] + 2) * (extent[1] + 2) * (extent[2] + 2) + 1)),  // see cube_around
        listed(set.size()),
        row(extent[2] + 2),
        plane((extent[1] + 2) * row) {
    for_voxels(extent, [&](std::int64_t at, std::int64_t i) { nth(set, at) = mask[i] != 0; });
  }
  // Calls body(place in `set`, number in the mask).
  template <class F>
  void for_voxels(const Extents& extent, const F& body) const {
    for (std::int64_t z = 0, i = 0; z < extent[0]; ++z)
      for (std::int64_t y = 0; y < extent[1]; ++y)
        for (std::int64_t x = 0; x < extent[2]; ++x, ++i) body((z + 1) * plane + (y + 1) * row + x + 1, i);
  }
  bool at(std::int64_t i) const { return nth(set, i) != 0; }

  // `around` has the steps to the neighbours that count.
  void find_border(const Extents& extent, std::span<const std::int64_t> around) {
    for_voxels(extent, [&](std::int64_t i, std::int64_t) {
      const bool exposed = std::any_of(around.begin(), around.end(), [&](std::int64_t step) { return !at(i + step); });
      if (at(i) && exposed) list(i);
    });
  }
  void remove(std::span<const std::int64_t> removed, std::span<const std::int64_t> around) {
    for (const std::int64_t i : removed) nth(set, i) = 0;
    border.erase(std::remove_if(border.begin(), border.end(), [&](std::int64_t i) { return !at(i); }), border.end());
    const std::int64_t known = std::ssize(border);
    for (const std::int64_t i : removed)
      for (const std::int64_t step : around)
        if (at(i + step) && nth(listed, i + step) == 0) list(i + step);
    std::sort(border.begin() + known, border.end());
    std::inplace_merge(border.begin(), border.begin() + known, border.end());
  }

 private:
  void list(std::int64_t i) {
    nth(listed, i) = 1;
    border.push_back(i);
  }
};

// In which of the two half rounds a pixel with these neighbours is removed: bit 0, bit 1. Bit k of the neighbours is
// that of the k-th one clockwise from the upper left. Zhang and Suen remove a pixel that has 2 to 6 neighbours, all in
// one run, unless the run covers three sides that differ from half round to half round.
int half_rounds(unsigned neighbours) {
  const auto has = [=](unsigned k) { return (neighbours >> (k % 8) & 1u) != 0; };
  int runs = 0;
  for (unsigned k = 0; k < 8; ++k) runs += !has(k) && has(k + 1);
  const int count = std::popcount(neighbours);
  if (runs != 1 || count < 2 || count > 6) return 0;
  const bool up = has(1), right = has(3), down = has(5), left = has(7);
  return (!(right && down && (up || left)) ? 1 : 0) + (!(up && left && (right || down)) ? 2 : 0);
}

// Neighbours for which scikit-image decides otherwise than the paper, which leaves some corners of two pixels and
// erodes some diagonals: found by asking it about all 256.
constexpr std::pair<int, int> kOtherwise[] = {{3, 1},   {6, 1},   {10, 3},  {11, 1},  {12, 1},  {14, 1},  {24, 2},
                                              {26, 2},  {40, 3},  {48, 0},  {56, 2},  {96, 2},  {104, 2}, {108, 2},
                                              {129, 0}, {130, 3}, {131, 1}, {134, 1}, {160, 3}, {161, 1}, {176, 2},
                                              {192, 2}, {194, 1}, {198, 1}, {224, 2}};

void thin_image(Thinning& image, const Extents& extent) {
  static const std::vector<int> removed_in = [] {
    std::vector<int> table;
    for (unsigned neighbours = 0; neighbours < 256; ++neighbours) table.push_back(half_rounds(neighbours));
    for (const auto& [neighbours, halves] : kOtherwise) nth(table, neighbours) = halves;
    return table;
  }();
  const std::int64_t row = image.row, around[] = {-row - 1, -row, -row + 1, 1, row + 1, row, row - 1, -1};
  image.find_border(extent, around);
  std::vector<std::int64_t> removed;
  for (bool changed = true; changed;) {
    changed = false;
    for (const int half : {1, 2}) {
      removed.clear();
      for (const std::int64_t i : image.border) {
        int neighbours = 0;
        for (int k = 0; k < 8; ++k) neighbours |= static_cast<int>(image.at(i + around[k])) << k;
        if ((nth(removed_in, neighbours) & half) != 0) removed.push_back(i);
      }
      changed = changed || !removed.empty();
      image.remove(removed, around);
    }
  }
}

// A cube of 3 x 3 x 3 voxels is 27 bits; the voxel itself is bit 13.

// By how much the removal of a voxel lowers the Euler characteristic at one of its corners, times 8. Bit a + 2 b + 4 c
// of `cell` is the voxel a, b and c steps away, of the eight that share the corner; bit 0 is the voxel itself. A union
// of cubes has at a corner a vertex, halves of edges, quarters of faces and eighths of cubes.
int euler_at_corner(unsigned cell) {
  const auto characteristic = [](unsigned cubes) {
    int edges = 0, faces = 0;
    for (const unsigned side : {0xaau, 0x55u, 0xccu, 0x33u, 0xf0u, 0x0fu}) edges += (cubes & side) != 0;
    for (const unsigned one : {0xaau, 0x55u})
      for (const unsigned other : {0xccu, 0x33u, 0xf0u, 0x0fu}) faces += (cubes & one & other) != 0;
    for (const unsigned one : {0xccu, 0x33u})
      for (const unsigned other : {0xf0u, 0x0fu}) faces += (cubes & one & other) != 0;
    return (cubes != 0 ? 8 : 0) - 4 * edges + 2 * faces - std::popcount(cubes);
  };
  return characteristic(cell | 1u) - characteristic(cell & ~1u);
}

class Neighbourhood {
 public:
  Neighbourhood() {
    for (unsigned cell = 0; cell < 256; ++cell) euler_.push_back(euler_at_corner(cell));
    for (unsigned plane = 0; plane < 512; ++plane) {
      unsigned quarters = 0;
      for (int k = 0; k < 16; ++k) {
        const int y = (k & 8) != 0 ? 1 : -1, x = (k & 4) != 0 ? 1 : -1;
        quarters |= (plane >> (4 + ((k & 2) != 0 ? 3 * y : 0) + ((k & 1) != 0 ? x : 0)) & 1u) << k;
      }
      quarters_.push_back(quarters);
    }
    for (int a = 0; a < 27; ++a) {
      unsigned near = 0;
      for (int b = 0; b < 27; ++b) {
        const bool close =
            std::abs(a / 9 - b / 9) <= 1 && std::abs(a / 3 % 3 - b / 3 % 3) <= 1 && std::abs(a % 3 - b % 3) <= 1;
        if (close && b != 13) near |= 1u << b;
      }
      near_.push_back(near);
    }
  }
  // Whether the others of the cube stay connected without the voxel in the middle.
  bool simple(unsigned cube) const { return connected(cube & ~kMiddle); }
  // Whether, besides, the middle is not the end of a line and the cube keeps its Euler characteristic.
  bool removable(unsigned cube) const {
    return std::popcount(cube & ~kMiddle) != 1 && euler(cube) == 0 && simple(cube);
  }

 private:
  static constexpr unsigned kMiddle = 1u << 13;
  int euler(unsigned cube) const {
    const unsigned below = nth(quarters_, cube & 511u), middle = nth(quarters_, cube >> 9 & 511u),
                   above = nth(quarters_, cube >> 18);
    int total = 0;
    for (int corner = 0; corner < 16; corner += 4) {
      const unsigned inner = middle >> corner & 15u;
      total += nth(euler_, inner | (below >> corner & 15u) << 4) + nth(euler_, inner | (above >> corner & 15u) << 4);
    }
    return total;
  }
  bool connected(unsigned others) const {
    unsigned reached = others & (~others + 1), todo = reached;
    while (todo != 0) {
      const unsigned more = nth(near_, std::countr_zero(todo)) & others & ~reached;
      todo = (todo & (todo - 1)) | more;
      reached |= more;
    }
    return reached == others;
  }
  std::vector<int> euler_;          // by cell
  std::vector<unsigned> quarters_;  // by plane of 3 x 3: the four halves of cells in it, of 4 bits each
  std::vector<unsigned> near_;      // the neighbours of every voxel of the cube
};

// The order of the six directions is that of scikit-image, which takes the first four where there is one plane only.
// The voxels found for a direction are tried again one by one, because the removal of one may make the next one
// necessary. The second trial of scikit-image asks for the connectivity alone, so that some small blocks vanish.
void thin_volume(Thinning& volume, const Extents& extent) {
  static const Neighbourhood rule;
  const std::int64_t row = volume.row, plane = volume.plane;
  // Four voxels of each row at once: the last one is not needed.
  const auto cube_around = [&](std::int64_t i) {
    unsigned cube = 0;
    for (int k = 0; k < 9; ++k) {
      std::uint32_t four;
      std::memcpy(&four, volume.set.data() + i + (k / 3 - 1) * plane + (k % 3 - 1) * row - 1, sizeof four);
      cube |= ((four & 1u) | (four >> 7 & 2u) | (four >> 14 & 4u)) << (3 * k);
    }
    return cube;
  };
  std::vector<std::int64_t> directions = {-row, row, 1, -1, plane, -plane}, found, removed;
  volume.find_border(extent, directions);
  const std::size_t tried = extent[0] == 1 ? 4 : 6;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t k = 0; k < tried; ++k) {
      found.clear();
      removed.clear();
      for (const std::int64_t i : volume.border)
        if (!volume.at(i + directions[k]) && rule.removable(cube_around(i))) found.push_back(i);
      for (const std::int64_t i : found) {
        if (!rule.simple(cube_around(i))) continue;
        nth(volume.set, i) = 0;
        removed.push_back(i);
      }
      if (removed.empty()) continue;
      volume.remove(removed, directions);
      changed = true;
    }
  }
}

}  // namespace

void CpuBackend::skeleton(const Tensor& mask, const Tensor& y) {
  const int axes = mask.dims() - 1;
  const Extents extent = three_axes(mask.shape().begin() + 1, axes);
  const std::int64_t voxels = extent[0] * extent[1] * extent[2];
  parallel_for(mask.extent(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t sample = begin; sample < end; ++sample) {
      Thinning thinning(mask.data<std::uint8_t>() + sample * voxels, extent);
      if (axes < 3)
        thin_image(thinning, extent);
      else
        thin_volume(thinning, extent);
      std::uint8_t* const to = y.data<std::uint8_t>() + sample * voxels;
      thinning.for_voxels(extent, [&](std::int64_t at, std::int64_t i) { to[i] = nth(thinning.set, at); });
    }
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
