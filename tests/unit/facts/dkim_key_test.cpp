#include "facts/dkim_key.h"

#include <catch2/catch.hpp>

#include "dkim_signer.h"
#include "facts/base64.h"
#include "facts/public_key.h"

namespace sluice::facts {

TEST_CASE("base 64 decodes as it encodes, with blanks anywhere, and takes nothing else") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const std::string text = testing::base64(bytes);
    CHECK(decode_base64(text) == bytes);
    CHECK(decode_base64(" " + text.substr(0, text.size() / 2) + "\r\n\t" +
                        text.substr(text.size() / 2)) == bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
  for (const char* bad :
       {"A", "AA", "AAA", "AA=", "AAAA=", "A===", "AA==A", "AAA*", "AB==", "AAB=", "AA-_"})
    CHECK_FALSE(decode_base64(bad));
}

TEST_CASE("a key record is read with its defaults") {
  const auto key = parse_dkim_key("p=AAAA");
  REQUIRE(key);
  CHECK(key->type == KeyType::Rsa);
  CHECK(key->bytes == std::string(3, '\0'));
  CHECK(key->takes_sha256);
  CHECK(key->takes_mail);
  CHECK_FALSE(key->is_test);
  CHECK_FALSE(key->is_strict);
}

TEST_CASE("a key record says what the key is for") {
  CHECK_FALSE(parse_dkim_key("v=DKIM1; h=sha1; p=AAAA")->takes_sha256);
  CHECK(parse_dkim_key("v=DKIM1; h=sha1 : SHA256; p=AAAA")->takes_sha256);
  CHECK_FALSE(parse_dkim_key("s=tlsrpt; p=AAAA")->takes_mail);
  CHECK(parse_dkim_key("s=other:email; p=AAAA")->takes_mail);
  CHECK(parse_dkim_key("t=y:s; p=AAAA")->is_test);
  CHECK(parse_dkim_key("t=y:s; p=AAAA")->is_strict);
  CHECK(parse_dkim_key("k=ed25519; p=AAAA")->type == KeyType::Ed25519);
  CHECK(parse_dkim_key("p=; n=revoked;")->bytes.empty());
}

TEST_CASE("a key record is refused when it is none") {
  for (const char* bad : {"", "v=spf1 -all", "v=DKIM1", "v=DKIM2; p=AAAA", "p=AAAA; v=DKIM1",
                          "k=dsa; p=AAAA", "p=A*AA", "p=AAAA; p=BBBB", "v=dkim1; p=AAAA"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_dkim_key(bad));
  }
  CHECK_FALSE(parse_dkim_key("p=AAAA; n=" + std::string(kMaxKeyRecord, 'n')));
}

TEST_CASE(
    "public keys: RSA in both forms, and Ed25519, verify what their owner signed and nothing "
    "else") {
  const auto rsa = testing::SigningKey::rsa(1024);
  const auto ed25519 = testing::SigningKey::ed25519();
  const std::string text = "what is signed", digest = sha256(text);
  CHECK(digest == testing::sha256_of(text));
  for (const std::string& record :
       {"p=" + rsa.published(), "p=" + rsa.published(true), ed25519.record()}) {
    CAPTURE(record);
    const auto key = PublicKey::from(*parse_dkim_key(record));
    REQUIRE(key);
    const auto& owner = record.find("ed25519") != std::string::npos ? ed25519 : rsa;
    const auto& other = record.find("ed25519") != std::string::npos ? rsa : ed25519;
    CHECK(key->verifies(digest, owner.sign(text)));
    CHECK_FALSE(key->verifies(digest, other.sign(text)));
    CHECK_FALSE(key->verifies(sha256("something else"), owner.sign(text)));
    CHECK_FALSE(key->verifies(digest, ""));
    CHECK_FALSE(key->verifies(digest, std::string(1024, 'x')));
  }
  CHECK(PublicKey::from(*parse_dkim_key("p=" + rsa.published()))->bits() == 1024);
}

TEST_CASE("public keys: bytes that are no key of their type are refused") {
  const auto rsa = testing::SigningKey::rsa(1024);
  const std::string der = *decode_base64(rsa.published());
  for (const std::string& bytes : {std::string(), std::string("x"), der + "x",
                                   der.substr(0, der.size() - 1), std::string(32, '\xff')})
    CHECK_FALSE(PublicKey::from({KeyType::Rsa, bytes}));
  CHECK_FALSE(PublicKey::from({KeyType::Ed25519, std::string(31, 'x')}));
  CHECK_FALSE(PublicKey::from({KeyType::Ed25519, der}));
}

}  // namespace sluice::facts
