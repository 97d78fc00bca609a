// A library for LD_PRELOAD that lets the n-th call of a kind fail, as a full disk, a broken one or exhausted memory do.
//
//   FAULT_KIND    memory, write, sync, rename, open, read or thread
//   FAULT_AT      the number of the call, from 1 on; without it, all kinds are only counted
//   FAULT_ACTION  the number of an error, `short` (half of the bytes) or `kill` (SIGKILL before the call)
//   FAULT_ALWAYS  if set, all calls from that one on fail
//   FAULT_UNDER   only files below this folder count
//   FAULT_STATE   a file of the size of faults::State, which is shared with the test
//
// Calls count from the beginning of main() on. Nothing here allocates, and files are reached by system calls alone, for
// these functions may be called at any time.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <unwind.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/faults/state.h"

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

using namespace voxgrad::faults;

constexpr int kShort = -1, kKill = -2, kNone = 0;  // beside the numbers of errors

State* state = nullptr;  // null until main() begins
State* page = nullptr;
const char *kind = "", *under = "";
long at = 0;
int action = kNone;
bool always = false;
int (*real_main)(int, char**, char**) = nullptr;

const char* variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

template <class F>
F next(const char* name, F) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

__attribute__((constructor)) void prepare() {
  kind = variable("FAULT_KIND");
  under = variable("FAULT_UNDER");
  at = atol(variable("FAULT_AT"));
  always = *variable("FAULT_ALWAYS") != 0;
  const char* wish = variable("FAULT_ACTION");
  action = strcmp(wish, "short") == 0 ? kShort : strcmp(wish, "kill") == 0 ? kKill : atoi(wish);
  const long file = syscall(SYS_openat, AT_FDCWD, variable("FAULT_STATE"), O_RDWR);
  if (file < 0) return;
  const long address = syscall(SYS_mmap, nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0L);
  syscall(SYS_close, file);
  if (address != -1) page = reinterpret_cast<State*>(address);
}

int counted_main(int argc, char** argv, char** environment) {
  state = page;
  return real_main(argc, argv, environment);
}

// Counts a call, and says what shall happen to it. `path` is that of its file, if it has one.
int fault(Kind of, const char* path) {
  if (state == nullptr || (path != nullptr && strncmp(path, under, strlen(under)) != 0)) return kNone;
  const long call = state->calls[of].fetch_add(1) + 1;
  if (at == 0 || strcmp(kNames[of], kind) != 0 || call < at || (call > at && !always)) return kNone;
  if (state->faults.fetch_add(1) == 0 && path != nullptr) strncpy(state->path.data(), path, state->path.size() - 1);
  if (action == kKill) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  return action;
}

int fault_of(Kind of, int file) {
  if (state == nullptr) return kNone;
  char link[40], path[PATH_MAX];
  char* to = link + sizeof link - 1;  // the name of the link, from its end: snprintf() is not safe everywhere
  *to = 0;
  do *--to = static_cast<char>('0' + file % 10);
  while ((file /= 10) > 0);
  constexpr char kFolder[] = "/proc/self/fd/";
  to = static_cast<char*>(memcpy(to - (sizeof kFolder - 1), kFolder, sizeof kFolder - 1));
  const long length = syscall(SYS_readlinkat, AT_FDCWD, to, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return fault(of, path);
}

// A relative name counts as below the folder if the process was started there.
int fault_of_name(Kind of, const char* name) {
  if (*name == '/') return fault(of, name);
  char path[PATH_MAX];
  const long length = syscall(SYS_getcwd, path, sizeof path);
  if (length <= 0 || static_cast<size_t>(length) + strlen(name) + 1 > sizeof path) return kNone;
  path[length - 1] = '/';
  strcpy(path + length, name);
  return fault(of, path);
}

// What a call returns that fails.
long fail(int code) {
  errno = code;
  return -1;
}

// A call that moves bytes, in full, in part or not at all.
template <class Call>
ssize_t moved(Kind of, int file, size_t count, Call call) {
  const int what = fault_of(of, file);
  if (what > 0) return fail(what);
  return call(what == kShort && count > 1 ? count / 2 : count);
}

// Notes whether HDF5 is among the callers.
void look_for_hdf5() {
  const auto look = [](_Unwind_Context* frame, void*) {
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(_Unwind_GetIP(frame)), &info) != 0 &&
        strstr(info.dli_fname, "libhdf5") != nullptr)
      page->hdf5 = true;
    return _URC_NO_REASON;
  };
  State* const counting = state;
  state = nullptr;
  _Unwind_Backtrace(look, nullptr);
  state = counting;
}

template <class Call>
void* allocated(Call call) {
  if (fault(kMemory, nullptr) == kNone) return call();
  look_for_hdf5();
  errno = ENOMEM;
  return nullptr;
}

long opened(int folder, const char* name, int flags, mode_t mode) {
  const int what = fault_of_name(kOpen, name);
  return what > 0 ? fail(what) : syscall(SYS_openat, folder, name, flags, mode);
}

mode_t mode_of(int flags, va_list rest) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; }

}  // namespace

extern "C" {

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(), void (*end)(),
                      void (*end_of_linker)(), void* stack) {
  real_main = main;
  return next("__libc_start_main", &__libc_start_main)(counted_main, argc, argv, init, end, end_of_linker, stack);
}

void* malloc(size_t size) {
  return allocated([=] { return __libc_malloc(size); });
}
void* calloc(size_t count, size_t size) {
  return allocated([=] { return __libc_calloc(count, size); });
}
void* realloc(void* block, size_t size) {
  return allocated([=] { return __libc_realloc(block, size); });
}
void* aligned_alloc(size_t alignment, size_t size) {
  return allocated([=] { return __libc_memalign(alignment, size); });
}
void* memalign(size_t alignment, size_t size) { return aligned_alloc(alignment, size); }
int posix_memalign(void** block, size_t alignment, size_t size) {
  return (*block = aligned_alloc(alignment, size)) == nullptr ? ENOMEM : 0;
}
void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  if (fault(kMemory, nullptr) == kNone)
    return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, file, offset));
  errno = ENOMEM;
  return MAP_FAILED;
}
void* mmap64(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  return mmap(address, size, protection, flags, file, offset);
}

ssize_t write(int file, const void* bytes, size_t count) {
  return moved(kWrite, file, count, [=](size_t part) { return syscall(SYS_write, file, bytes, part); });
}
ssize_t pwrite(int file, const void* bytes, size_t count, off_t offset) {
  return moved(kWrite, file, count, [=](size_t part) { return syscall(SYS_pwrite64, file, bytes, part, offset); });
}
ssize_t pwrite64(int file, const void* bytes, size_t count, off_t offset) { return pwrite(file, bytes, count, offset); }
ssize_t writev(int file, const iovec* pieces, int count) {  // its first piece is what is short
  return moved(kWrite, file, 1, [=](size_t) { return syscall(SYS_writev, file, pieces, count); });
}
int ftruncate(int file, off_t size) {
  const int what = fault_of(kWrite, file);
  return static_cast<int>(what > 0 ? fail(what) : syscall(SYS_ftruncate, file, size));
}
int ftruncate64(int file, off_t size) { return ftruncate(file, size); }

ssize_t read(int file, void* bytes, size_t count) {
  return moved(kRead, file, count, [=](size_t part) { return syscall(SYS_read, file, bytes, part); });
}
ssize_t pread(int file, void* bytes, size_t count, off_t offset) {
  return moved(kRead, file, count, [=](size_t part) { return syscall(SYS_pread64, file, bytes, part, offset); });
}
ssize_t pread64(int file, void* bytes, size_t count, off_t offset) { return pread(file, bytes, count, offset); }

int fsync(int file) {
  const int what = fault_of(kSync, file);
  return static_cast<int>(what > 0 ? fail(what) : syscall(SYS_fsync, file));
}
int fdatasync(int file) { return fsync(file); }
int rename(const char* from, const char* to) {
  const int what = fault_of_name(kRename, to);
  return static_cast<int>(what > 0 ? fail(what) : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int open(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return static_cast<int>(opened(AT_FDCWD, name, flags, mode));
}
int open64(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return static_cast<int>(opened(AT_FDCWD, name, flags, mode));
}
int openat(int folder, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return static_cast<int>(opened(folder, name, flags, mode));
}
DIR* opendir(const char* name) {
  const int what = fault_of_name(kOpen, name);
  static const auto real = next("opendir", &opendir);
  return what > 0 ? (errno = what, nullptr) : real(name);
}
int mkdir(const char* name, mode_t mode) {
  const int what = fault_of_name(kOpen, name);
  return static_cast<int>(what > 0 ? fail(what) : syscall(SYS_mkdir, name, mode));
}
FILE* fopen(const char* name, const char* mode) {
  const int what = fault_of_name(kOpen, name);
  static const auto real = next("fopen", &fopen);
  return what > 0 ? (errno = what, nullptr) : real(name, mode);
}
FILE* fopen64(const char* name, const char* mode) { return fopen(name, mode); }

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  static const auto real = next("pthread_create", &pthread_create);
  return fault(kThread, nullptr) > 0 ? EAGAIN : real(thread, attributes, body, argument);
}

}  // extern "C"
