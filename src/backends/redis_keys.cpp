#include "backends/redis_keys.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace sluice::backends {

namespace {

constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kHashLetters = 20;

SipKey key_from(std::string_view pepper) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(pepper.data(), pepper.size(), digest.data(), &size, EVP_sha256(), nullptr);
  SipKey key;
  std::memcpy(&key.k0, digest.data(), 8);
  std::memcpy(&key.k1, digest.data() + 8, 8);
  return key;
}

}  // namespace

Result<std::string> read_pepper(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return config_error(fmt::format("{}: {}", path, std::strerror(errno)));
  if ((status.st_mode & S_IROTH) != 0)
    return config_error(path + ": every user may read it; chmod o-r");
  std::ifstream file(path, std::ios::binary);
  std::string pepper(kMaxPepper + 1, '\0');
  file.read(pepper.data(), static_cast<std::streamsize>(pepper.size()));
  pepper.resize(static_cast<std::size_t>(file.gcount()));
  if (pepper.size() < kMinPepper || pepper.size() > kMaxPepper)
    return config_error(fmt::format("{}: a pepper has {} to {} bytes (head -c 32 /dev/urandom)", path,
                                    kMinPepper, kMaxPepper));
  return pepper;
}

RedisKeys::RedisKeys(std::string_view pepper, unsigned groups)
    : key_(key_from(pepper)), groups_(std::clamp(groups, 1u, kRedisGroups)) {}

RedisKeys::Place RedisKeys::place(std::string_view state_key) const {
  const Hash128 hash = siphash24_128(key_, state_key);
  Place place{static_cast<unsigned>(hash.low & 0xff) % groups_, {}};
  __extension__ unsigned __int128 rest = hash.high;
  rest = rest << 56 | hash.low >> 8;
  for (std::size_t i = 0; i < kHashLetters; ++i) {
    place.hash += kLetters[static_cast<unsigned>(rest) & 63];
    rest >>= 6;
  }
  return place;
}

std::string RedisKeys::key(const Place& place, RedisKind kind) {
  return fmt::format("sl:{{{:02x}}}{}{}", place.group, static_cast<char>(kind), place.hash);
}

std::string RedisKeys::clock(unsigned group) { return fmt::format("sl:{{{:02x}}}t", group); }

std::string RedisKeys::pattern(RedisKind kind) {
  return fmt::format("sl:{{??}}{}{}", static_cast<char>(kind), std::string(kHashLetters, '?'));
}

std::string RedisKeys::shared(Shared what) {
  static constexpr const char* kNames[] = {"entries", "ends", "changes", "state"};
  return fmt::format("sl:{{00}}lists:{}", kNames[static_cast<std::size_t>(what)]);
}

std::string RedisKeys::short_hash(std::string_view value) const {
  const std::uint64_t low = siphash24_128(key_, value).low;
  std::string bytes(sizeof low, '\0');
  std::memcpy(bytes.data(), &low, sizeof low);
  return bytes;
}

std::string RedisKeys::fingerprint() const {
  return fmt::format("{:016x}", siphash24_128(key_, "pepper").high);
}

}  // namespace sluice::backends
