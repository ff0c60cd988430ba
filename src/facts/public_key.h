// Digests and signatures of OpenSSL, as DKIM and ARC use them.
//
// Threads: objects are one thread's; nothing is shared.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "facts/dkim_key.h"

namespace sluice::facts {

inline constexpr int kMinRsaBits = 1'024;  // shorter keys are never a pass (RFC 8301 3.2)
inline constexpr int kMaxRsaBits = 8'192;  // longer ones cost too much

// SHA-256 over what is fed.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void feed(std::string_view bytes);
  std::string take();  // the 32 bytes; once

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};
std::string sha256(std::string_view bytes);

class PublicKey {
 public:
  // RSA: SubjectPublicKeyInfo (RFC 6376 3.6.1) or a bare RSAPublicKey. Ed25519: 32 bytes (RFC
  // 8463 4.2).
  static Result<PublicKey> from(const DkimKey& record);
  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();
  int bits() const;
  // The signature of a SHA-256 digest: PKCS #1 1.5 with RSA; with Ed25519 the digest itself is the
  // signed message (RFC 8463 3).
  bool verifies(std::string_view digest, std::string_view signature) const;

 private:
  struct Key;
  explicit PublicKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

}  // namespace sluice::facts
