// The memory of the emulated card, and copies.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "cuda_runtime.h"

namespace {

constexpr std::size_t kCard = std::size_t{1} << 30, kAddresses = std::size_t{64} << 30;  // bytes

// Addresses are given out one after the other, or again for a block of the same size. The same memory has other
// addresses, which only copies use: they are always open, and to open takes time.
class Memory {
 public:
  Memory() {
    const int file = memfd_create("card", 0);
    if (file < 0 || ftruncate(file, kAddresses) != 0) return;
    void* start = mmap(nullptr, kAddresses, PROT_NONE, MAP_SHARED, file, 0);
    void* open = mmap(nullptr, kAddresses, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (start == MAP_FAILED || open == MAP_FAILED) return;
    start_ = static_cast<char*>(start);
    open_start_ = static_cast<char*>(open);
  }
  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t size = (bytes + 255) / 256 * 256;
    if (start_ == nullptr || size > kCard - in_use_) return nullptr;
    char* block = nullptr;
    if (const auto found = free_.find(size); found != free_.end()) {
      block = found->second;
      free_.erase(found);
    } else if (size <= kAddresses - used_) {
      block = start_ + used_;
      used_ += size;
      if (open_ > 0) protect(PROT_READ | PROT_WRITE);
    }
    if (block == nullptr) return nullptr;
    in_use_ += size;
    sizes_[block] = size;
    return block;
  }
  bool release(void* pointer) {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(static_cast<char*>(pointer));
    if (found == sizes_.end()) return false;
    in_use_ -= found->second;
    free_.emplace(found->second, found->first);
    sizes_.erase(found);
    return true;
  }
  // The open address of an address of the card; of another one itself.
  void* opened(const void* pointer) const {
    char* p = static_cast<char*>(const_cast<void*>(pointer));
    return holds(p) ? open_start_ + (p - start_) : p;
  }
  bool holds(const void* pointer) const { return pointer >= start_ && pointer < start_ + used_; }
  void open() {
    const std::lock_guard lock(mutex_);
    if (open_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void shut() {
    const std::lock_guard lock(mutex_);
    if (--open_ == 0) protect(PROT_NONE);
  }

 private:
  void protect(int rights) const {
    if (used_ > 0) mprotect(start_, (used_ + 4095) / 4096 * 4096, rights);
  }
  std::mutex mutex_;
  char *start_ = nullptr, *open_start_ = nullptr;
  std::size_t used_ = 0, in_use_ = 0;
  int open_ = 0;
  std::multimap<std::size_t, char*> free_;
  std::map<char*, std::size_t> sizes_;
};

Memory& memory() {
  static Memory& result = *new Memory;  // tensors may outlive every other static object
  return result;
}

std::map<char*, std::size_t> page_locked;  // which kernels reach, like the memory of the card

bool is_page_locked(const void* pointer) {
  const auto next = page_locked.upper_bound(static_cast<char*>(const_cast<void*>(pointer)));
  if (next == page_locked.begin()) return false;
  const auto& [block, bytes] = *std::prev(next);
  return pointer < block + bytes;
}

void check_no_capture(const char* call, const std::source_location& at = std::source_location::current()) {
  if (emulator::is_capturing()) emulator::complain(at, (std::string(call) + " while work is recorded").c_str());
}

}  // namespace

namespace emulator {

Access::Access() { memory().open(); }
Access::~Access() { memory().shut(); }
bool on_card(const void* pointer) { return pointer == nullptr || memory().holds(pointer) || is_page_locked(pointer); }

}  // namespace emulator

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  check_no_capture("cudaMalloc");
  *pointer = memory().allocate(bytes);
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  std::memset(memory().opened(*pointer), 0xff, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  check_no_capture("cudaFree");
  emulator::run_all();
  return pointer == nullptr || memory().release(pointer) ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  check_no_capture("cudaMallocHost");
  *pointer = std::malloc(bytes);
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  page_locked[static_cast<char*>(*pointer)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  check_no_capture("cudaFreeHost");
  emulator::run_all();
  page_locked.erase(static_cast<char*>(pointer));
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool from_card = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool to_card = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  // Memory of the host that is not page-locked is for copies that wait.
  const auto fits = [](const void* p, bool card) { return card ? memory().holds(p) : is_page_locked(p); };
  if (kind != cudaMemcpyDefault && (!fits(from, from_card) || !fits(to, to_card))) return cudaErrorInvalidValue;
  return emulator::queue(stream, [=] { std::memcpy(memory().opened(to), memory().opened(from), bytes); });
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (!memory().holds(to)) return cudaErrorInvalidValue;
  return emulator::queue(stream, [=] { std::memset(memory().opened(to), value, bytes); });
}
emulator::Card emulator::card;

cudaError_t cudaGetDeviceCount(int* count) {
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  *count = emulator::card.count;
  return emulator::card.driver < runtime ? cudaErrorInsufficientDriver : cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? emulator::card.major : emulator::card.minor;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = emulator::card.driver, cudaSuccess; }
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) {
  return emulator::card.has_code ? cudaSuccess : cudaErrorNoKernelImageForDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  properties->totalGlobalMem = kCard;
  properties->major = emulator::card.major;
  properties->minor = emulator::card.minor;
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess: return "no error";
    case cudaErrorNoKernelImageForDevice: return "no kernel image is available for execution on the device";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return "invalid value";
  }
}
