#include "engine/decision_id.h"

#include <random>

namespace sluice::engine {

namespace {

constexpr char kAlphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

std::uint64_t draw() {
  // One generator a thread. Its seed is the kernel's, so that no two instances draw the same ids.
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(),
                       device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

void append_letters(std::string& out, std::uint64_t bits, int letters) {
  for (int i = letters - 1; i >= 0; --i) out.push_back(kAlphabet[(bits >> (5 * i)) & 31]);
}

}  // namespace

std::string draw_session_id(TimePoint now) {
  std::string id;
  id.reserve(26);
  append_letters(
      id, static_cast<std::uint64_t>(now.time_since_epoch().count()) & 0xffff'ffff'ffffULL, 10);
  append_letters(id, draw(), 8);
  append_letters(id, draw(), 8);
  return id;
}

std::string draw_short_id() {
  std::string id;
  append_letters(id, draw(), 6);
  return id;
}

std::uint64_t draw_reservation_id() {
  const std::uint64_t id = draw();
  return id == 0 ? 1 : id;
}

}  // namespace sluice::engine
