// count_allocations - counts what a program asks the C library's allocator for; for LD_PRELOAD.
//
// Every malloc, calloc, realloc and aligned allocation of all threads adds one to a 64-bit number
// (of the machine's order) at the start of the file that the environment variable COUNT_ALLOCATIONS
// names; it is made when the program starts. Without the variable nothing is written. operator new
// comes here through malloc. Needs glibc.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

using Count = std::atomic<std::uint64_t>;
static_assert(Count::is_always_lock_free && sizeof(Count) == 8);

constinit Count uncounted{0};
constinit Count* count = &uncounted;

[[gnu::constructor]] void open_count() {
  const char* path = std::getenv("COUNT_ALLOCATIONS");
  const int fd = path != nullptr ? ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (fd < 0) return;
  if (::ftruncate(fd, sizeof(Count)) == 0) {
    void* place = ::mmap(nullptr, sizeof(Count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (place != MAP_FAILED) count = static_cast<Count*>(place);
  }
  ::close(fd);
}

void add_one() { count->fetch_add(1, std::memory_order_relaxed); }

}  // namespace

extern "C" {

void* malloc(std::size_t size) noexcept {
  add_one();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
  add_one();
  return __libc_calloc(number, size);
}
void* realloc(void* place, std::size_t size) noexcept {
  add_one();
  return __libc_realloc(place, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  add_one();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}
int posix_memalign(void** place, std::size_t alignment, std::size_t size) noexcept {
  *place = memalign(alignment, size);
  return *place == nullptr ? ENOMEM : 0;
}
}
