#include "facts/public_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>

namespace sluice::facts {

namespace {

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// The whole text must be one key.
KeyPtr subject_public_key(std::string_view der) {
  const unsigned char* at = octets(der);
  KeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), &EVP_PKEY_free);
  if (key && at != octets(der) + der.size()) key.reset();
  return key;
}

KeyPtr bare_rsa_key(std::string_view der) {
  const unsigned char* at = octets(der);
  KeyPtr key(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size())),
             &EVP_PKEY_free);
  if (key && at != octets(der) + der.size()) key.reset();
  return key;
}

KeyPtr rsa_key(std::string_view der) {
  KeyPtr key = subject_public_key(der);
  if (!key) key = bare_rsa_key(der);
  if (key && EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) key.reset();
  return key;
}

KeyPtr ed25519_key(std::string_view bytes) {
  return {EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(bytes), bytes.size()),
          &EVP_PKEY_free};
}

}  // namespace

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> md{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (!context_->md || EVP_DigestInit_ex(context_->md.get(), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::feed(std::string_view bytes) {
  EVP_DigestUpdate(context_->md.get(), bytes.data(), bytes.size());
}

std::string Sha256::take() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->md.get(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

std::string sha256(std::string_view bytes) {
  Sha256 digest;
  digest.feed(bytes);
  return digest.take();
}

struct PublicKey::Key {
  KeyPtr key;
  KeyType type;
};

PublicKey::PublicKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

Result<PublicKey> PublicKey::from(const DkimKey& record) {
  KeyPtr key = record.type == KeyType::Rsa ? rsa_key(record.bytes) : ed25519_key(record.bytes);
  ERR_clear_error();
  if (!key) return permanent("p= is no key of its type");
  return PublicKey(std::make_unique<Key>(Key{std::move(key), record.type}));
}

int PublicKey::bits() const { return EVP_PKEY_get_bits(key_->key.get()); }

namespace {

bool verify_rsa(EVP_PKEY* key, std::string_view digest, std::string_view signature) {
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key, nullptr), &EVP_PKEY_CTX_free);
  return context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
         EVP_PKEY_verify(context.get(), octets(signature), signature.size(), octets(digest),
                         digest.size()) == 1;
}

bool verify_ed25519(EVP_PKEY* key, std::string_view digest, std::string_view signature) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  return context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(digest),
                          digest.size()) == 1;
}

}  // namespace

bool PublicKey::verifies(std::string_view digest, std::string_view signature) const {
  const auto verify = key_->type == KeyType::Rsa ? verify_rsa : verify_ed25519;
  const bool good = verify(key_->key.get(), digest, signature);
  ERR_clear_error();
  return good;
}

}  // namespace sluice::facts
