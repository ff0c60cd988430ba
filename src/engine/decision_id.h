// Names of sessions, decisions and reservations. Drawn at random, without a lock: threads may draw
// at once.
#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"

namespace sluice::engine {

// ULID: 48 bits of time in milliseconds and 80 random bits, 26 letters of Crockford's base 32;
// sorts by time.
std::string draw_session_id(TimePoint now);
// Six letters of the same alphabet (no I, L, O, U), for people to read out on the telephone:
// "4F7K2C".
std::string draw_short_id();
// 64 random bits, never 0: unique for all times and instances as far as mail is concerned.
std::uint64_t draw_reservation_id();

}  // namespace sluice::engine
