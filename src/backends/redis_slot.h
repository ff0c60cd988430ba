// Which of a Cluster's 16384 slots a key belongs to (Redis Cluster specification, key hash tags).
#pragma once
#include <cstdint>
#include <string_view>

namespace sluice::backends {

inline constexpr int kRedisSlots = 16'384;

// CRC-16/XMODEM.
std::uint16_t redis_crc16(std::string_view bytes);
// Of what stands between the first { and the next }, if that is not empty; else of the whole key.
int redis_slot(std::string_view key);

}  // namespace sluice::backends
