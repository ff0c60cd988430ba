// faulty_program FAULT - makes one mistake that a sanitizer must report: use-after-free, overflow, leak, abort, race.

#include <climits>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace {

constexpr int kLeaks = 50;

// The compiler must not see that the value is not used.
template <typename T>
void use(const T& value) {
  asm volatile("" : : "m"(value) : "memory");
}

void use_after_free() {
  char* bytes = new char[8];
  use(bytes);
  delete[] bytes;
  use(bytes[3]);
  const char read = *static_cast<volatile char*>(bytes);
  use(read);
}

void overflow() {
  volatile int largest = INT_MAX;
  largest = largest + 1;
}

// On a thread of its own: nothing of it stays on a stack, where it would count as reachable.
void leak() {
  std::thread([] {
    for (int i = 0; i < kLeaks; ++i) use(new int(i));
  }).join();
}

void race() {
  int value = 0;
  std::thread other([&value] { value = 1; });
  value = 2;
  use(value);
  other.join();
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<void()>> faults = {
      {"use-after-free", use_after_free},
      {"overflow", overflow},
      {"leak", leak},
      {"abort", [] { std::abort(); }},
      {"race", race},
  };
  const auto fault = faults.find(argc > 1 ? argv[1] : "");
  if (fault == faults.end()) return 64;
  fault->second();
  return 0;
}
