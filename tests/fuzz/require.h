// require: what a fuzz target says must hold for every input. Prints the sentence and aborts, which
// libFuzzer and the replay both report together with the input.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace sluice::fuzz {

inline void require(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", sentence);
  std::abort();
}

}  // namespace sluice::fuzz
