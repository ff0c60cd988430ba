#include <openssl/evp.h>

#include <array>

#include "backends/redis_client.h"

namespace sluice::backends {

RedisScript make_redis_script(std::string source) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(source.data(), source.size(), digest.data(), &size, EVP_sha1(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  RedisScript script{std::move(source), {}};
  for (unsigned int i = 0; i < size; ++i) {
    script.sha1 += kHex[digest[i] >> 4];
    script.sha1 += kHex[digest[i] & 15];
  }
  return script;
}

}  // namespace sluice::backends
