#include "data/h5/h5_chunks.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "data/h5/h5_detail.h"

namespace voxgrad::data::h5 {

using namespace detail;

namespace {

constexpr double kMostKept = 64 << 20;  // bytes
constexpr std::size_t kSum = 4;         // bytes of a fletcher32

// Fletcher's checksum as HDF5 computes it: of big-endian words of 16 bits.
std::uint32_t fletcher32(const std::byte* bytes, std::size_t size) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(bytes);
  const auto fold = [](std::uint32_t sum) { return (sum & 0xFFFF) + (sum >> 16); };
  std::uint32_t low = 0, high = 0;
  for (std::size_t words = size / 2; words > 0;) {
    const std::size_t here = std::min<std::size_t>(words, 360);  // so many sums fit 32 bits
    for (std::size_t i = 0; i < here; ++i, at += 2) high += low += static_cast<std::uint32_t>(at[0] << 8 | at[1]);
    words -= here;
    low = fold(low);
    high = fold(high);
  }
  if (size % 2 != 0) {
    high += low += static_cast<std::uint32_t>(*at << 8);
    low = fold(low);
    high = fold(high);
  }
  return fold(high) << 16 | fold(low);
}

// Takes the checksum off. Versions before 1.6.3 stored it with the bytes of each half exchanged.
bool take_sum(std::vector<std::byte>& bytes) {
  if (bytes.size() < kSum) return false;
  const std::size_t size = bytes.size() - kSum;
  const std::uint32_t sum = fletcher32(bytes.data(), size);
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[size + i]); };
  const std::uint32_t stored = byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
  bytes.resize(size);
  return stored == sum || (((stored & 0x00FF00FF) << 8) | (stored >> 8 & 0x00FF00FF)) == sum;
}

// Unpacks at most `most` bytes.
bool inflate(std::vector<std::byte>& bytes, std::size_t most) {
  std::vector<std::byte> out(most);
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = ::inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::inflateEnd(&stream);
  bytes = std::move(out);
  return code == Z_STREAM_END;
}

// Puts the bytes of each element together again; shuffle has stored all first ones, then all second ones, ...
void unshuffle(std::vector<std::byte>& bytes, std::size_t element) {
  const std::size_t count = bytes.size() / element;
  if (element < 2 || count < 2) return;
  std::vector<std::byte> out(bytes);  // with the bytes at the end that are no whole element
  for (std::size_t part = 0; part < element; ++part)
    for (std::size_t i = 0; i < count; ++i) out[i * element + part] = bytes[part * count + i];
  bytes = std::move(out);
}

}  // namespace

std::shared_ptr<Chunks> Chunks::of(Id creation, const Shape& extents, const Shape& chunk, std::size_t element) {
  auto result = std::make_shared<Chunks>();
  const int count = H5Pget_nfilters(creation);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    std::array<unsigned, 8> values{};
    std::size_t size = values.size();
    const H5Z_filter_t kind =
        H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &size, values.data(), 0, nullptr, &config);
    if (kind != H5Z_FILTER_DEFLATE && kind != H5Z_FILTER_SHUFFLE && kind != H5Z_FILTER_FLETCHER32) return nullptr;
    if (kind == H5Z_FILTER_SHUFFLE && (size < 1 || values[0] == 0)) return nullptr;
    result->filters_.push_back({kind, values[0]});
  }
  unsigned options = 0;
  result->bytes_ = result->element_ = element;
  for (const std::int64_t extent : chunk) result->bytes_ *= static_cast<std::size_t>(extent);
  result->fill_.resize(element);
  if (count <= 0 || result->bytes_ == 0 || H5Pget_chunk_opts(creation, &options) < 0) return nullptr;
  result->extents_ = extents;
  result->chunk_ = chunk;
  result->whole_edges_ = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) == 0;
  double row = static_cast<double>(result->bytes_);
  for (int i = 1; i < extents.dims(); ++i) row *= static_cast<double>((extents[i] - 1) / chunk[i] + 1);
  result->keeps_row_ = chunk[0] > 1 && row <= kMostKept;
  return result;
}

Chunks::Buffer Chunks::unpacked(Buffer bytes, std::uint32_t left_out, const std::string& where) const {
  const std::size_t most = bytes_ + kSum * filters_.size() + bytes_ / 64 + 1024;  // of what a filter gave to the next
  for (std::size_t i = filters_.size(); i-- > 0;) {
    if (i < 32 && (left_out >> i & 1) != 0) continue;
    switch (filters_[i].kind) {
      case H5Z_FILTER_FLETCHER32:
        if (!take_sum(bytes))
          fail(where, "cannot be read: the checksum of a chunk is wrong", "fetch or write it again");
        break;
      case H5Z_FILTER_DEFLATE:
        if (!inflate(bytes, most)) fail(where, "cannot be read: a chunk cannot be unpacked", "fetch or write it again");
        break;
      default: unshuffle(bytes, filters_[i].element);
    }
  }
  if (bytes.size() != bytes_)
    fail(where, text("cannot be read: a chunk has ", bytes.size(), " bytes, expected ", bytes_),
         "the file is damaged; fetch or write it again");
  return bytes;
}

const Chunks::Buffer& Chunks::chunk_at(Id array, const Shape& offset, const std::string& where) {
  std::int64_t key = 0;
  bool edge = false;
  std::vector<hsize_t> place;
  for (int i = 0; i < offset.dims(); ++i) {
    key = key * ((extents_[i] - 1) / chunk_[i] + 1) + offset[i] / chunk_[i];
    edge = edge || offset[i] + chunk_[i] > extents_[i];
    place.push_back(static_cast<hsize_t>(offset[i]));
  }
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  if (!keeps_row_ || offset[0] != row_) kept_.clear();
  row_ = offset[0];
  hsize_t stored = 0;
  std::uint32_t left_out = 0;
  // Version 1.10 calls it a failure if nothing was written there, and says only in words that it is this one.
  if (H5Dget_chunk_storage_size(array, place.data(), &stored) < 0) {
    if (reason().find("not allocated") == std::string::npos) fail(where, text("cannot be read", reason()));
    stored = 0;
  }
  Buffer bytes;
  if (stored == 0) {
    bytes.resize(bytes_);
    const Handle type = type_of(array, false, where), creation(H5Dget_create_plist(array), H5Pclose);
    H5Pget_fill_value(creation.id(), type.id(), fill_.data());
    for (std::size_t at = 0; at < bytes_; at += element_) std::copy(fill_.begin(), fill_.end(), bytes.data() + at);
  } else {
    if (stored > 2 * bytes_ + 65536)
      fail(where, text("cannot be read: a chunk claims ", stored, " bytes, it has ", bytes_, " when it is unpacked"));
    bytes.resize(stored);
    if (H5Dread_chunk(array, H5P_DEFAULT, place.data(), &left_out, bytes.data()) < 0)
      fail(where, text("cannot be read", reason()), "the file is damaged; fetch or write it again");
    bytes = unpacked(std::move(bytes), edge && !whole_edges_ ? ~std::uint32_t{0} : left_out, where);
  }
  return kept_[key] = std::move(bytes);
}

void Chunks::read(Id array, const Shape& start, const Shape& count, std::byte* out, const std::string& where) {
  const int dims = start.dims();
  Shape offset = start;  // of the chunk
  for (int i = 0; i < dims; ++i) offset[i] = start[i] / chunk_[i] * chunk_[i];
  const Shape first = offset;
  for (bool more = true; more;) {
    const Buffer& bytes = chunk_at(array, offset, where);
    // The part of the box in this chunk, as lines: axes that are whole in both are one with the axis before them.
    using Numbers = std::array<std::int64_t, Shape::kMaxDims>;
    Numbers size{}, at{}, from_step{}, to_step{};
    std::int64_t from = 0, to = 0, from_all = 1, to_all = 1;  // in elements
    for (int i = dims - 1; i >= 0; --i) {
      const std::int64_t low = std::max(start[i], offset[i]);
      nth(size, i) = std::min(start[i] + count[i], offset[i] + chunk_[i]) - low;
      nth(from_step, i) = from_all;
      nth(to_step, i) = to_all;
      from += (low - offset[i]) * from_all;
      to += (low - start[i]) * to_all;
      from_all *= chunk_[i];
      to_all *= count[i];
    }
    int last = dims - 1;
    std::int64_t length = nth(size, last), lines = 1;
    while (last > 0 && nth(size, last) == chunk_[last] && nth(size, last) == count[last]) length *= nth(size, --last);
    for (int i = 0; i < last; ++i) lines *= nth(size, i);
    const std::size_t line = static_cast<std::size_t>(length) * element_;
    for (; lines > 0; --lines) {
      std::memcpy(out + static_cast<std::size_t>(to) * element_,
                  bytes.data() + static_cast<std::size_t>(from) * element_, line);
      for (int i = last - 1; i >= 0; --i) {
        from += nth(from_step, i);
        to += nth(to_step, i);
        if (++nth(at, i) < nth(size, i)) break;
        from -= nth(size, i) * nth(from_step, i);
        to -= nth(size, i) * nth(to_step, i);
        nth(at, i) = 0;
      }
    }
    more = false;
    for (int i = dims - 1; i >= 0 && !more; --i) {
      offset[i] += chunk_[i];
      more = offset[i] < start[i] + count[i];
      if (!more) offset[i] = first[i];
    }
  }
}

}  // namespace voxgrad::data::h5
