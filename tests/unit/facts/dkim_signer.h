// Signs messages for tests, with OpenSSL and with its own canonical forms, written down plainly and
// apart from those of src/facts.
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mail/session_view.h"

namespace sluice::facts::testing {

inline std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

inline std::string sha256_of(std::string_view bytes) {
  unsigned char digest[32];
  EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest), sizeof digest};
}

class SigningKey {
 public:
  static SigningKey rsa(unsigned bits) {
    return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits}));
  }
  static SigningKey ed25519() { return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

  bool is_rsa() const { return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA; }
  std::string algorithm() const { return is_rsa() ? "rsa-sha256" : "ed25519-sha256"; }

  // p= of the key record. `bare`: RSAPublicKey instead of SubjectPublicKeyInfo.
  std::string published(bool bare = false) const {
    if (!is_rsa()) {
      unsigned char raw[32];
      std::size_t size = sizeof raw;
      EVP_PKEY_get_raw_public_key(key_.get(), raw, &size);
      return base64({reinterpret_cast<const char*>(raw), size});
    }
    unsigned char* der = nullptr;
    const int size = bare ? i2d_PublicKey(key_.get(), &der) : i2d_PUBKEY(key_.get(), &der);
    const std::string text =
        base64({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return text;
  }
  std::string private_pem() const {
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    std::string pem(text, static_cast<std::size_t>(size));
    BIO_free(out);
    return pem;
  }
  std::string record() const {
    return std::string("v=DKIM1; k=") + (is_rsa() ? "rsa" : "ed25519") + "; p=" + published();
  }

  // Of the text itself with RSA, of its digest with Ed25519 (RFC 8463 3).
  std::string sign(std::string_view text, const EVP_MD* md = EVP_sha256()) const {
    const std::string digest = sha256_of(text);
    const std::string_view signed_text = is_rsa() ? text : std::string_view(digest);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, is_rsa() ? md : nullptr, nullptr, key_.get());
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return signature;
  }

 private:
  explicit SigningKey(EVP_PKEY* key) : key_(key, &EVP_PKEY_free) {}
  std::shared_ptr<EVP_PKEY> key_;
};

// RFC 6376 3.4, line by line. Bodies with CR LF only.
inline std::string plain_body(const std::string& body, bool relaxed) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find("\r\n", at);
    lines.push_back(body.substr(at, end == std::string::npos ? end : end - at));
    at = end == std::string::npos ? end : end + 2;
  }
  for (std::string& line : lines) {
    if (!relaxed) continue;
    std::string out;
    for (const char c : line) {
      const bool blank = c == ' ' || c == '\t';
      if (blank && !out.empty() && out.back() == ' ') continue;
      out.push_back(blank ? ' ' : c);
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    line = out;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  std::string out;
  for (const std::string& line : lines) out += line + "\r\n";
  return out.empty() && !relaxed ? "\r\n" : out;
}

inline std::string plain_field(const mail::Header& field, bool relaxed) {
  std::string name, value;
  for (const char c : field.value) value += c == '\n' ? std::string("\r\n") : std::string(1, c);
  if (!relaxed) return field.name + ":" + value;
  for (const char c : field.name) name.push_back(static_cast<char>(std::tolower(c)));
  std::string out;
  for (const char c : value) {
    if (c == '\r' || c == '\n') continue;
    const bool blank = c == ' ' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out.push_back(blank ? ' ' : c);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return name + ":" + out;
}

struct SigningOptions {
  std::string domain = "far.example", selector = "s1";
  std::string forms = "relaxed/relaxed";
  std::vector<std::string> fields{"From", "To", "Subject", "Date", "Message-ID"};
  std::string more;         // further tags: " t=1; x=2;"
  std::string body_length;  // l=, or empty
  std::string algorithm;    // empty: that of the key
  std::string field_name = "DKIM-Signature", front = " v=1;";
};

// The signature field for the message as it is; to be put on top.
inline mail::Header sign(const mail::Message& message, const SigningKey& key,
                         const SigningOptions& options = {}) {
  const bool relaxed_header = options.forms.rfind("relaxed", 0) == 0;
  const bool relaxed_body = options.forms.size() > 8 &&
                            options.forms.substr(options.forms.size() - 7) == "relaxed" &&
                            options.forms.find('/') != std::string::npos;
  std::string body = plain_body(message.body, relaxed_body);
  if (!options.body_length.empty()) body.resize(std::stoul(options.body_length));
  std::string names, text;
  std::vector<bool> taken(message.headers.size(), false);
  for (const std::string& name : options.fields) {
    names += (names.empty() ? "" : ":") + name;
    for (std::size_t i = message.headers.size(); i-- > 0;) {
      std::string a = message.headers[i].name, b = name;
      for (auto* word : {&a, &b})
        for (char& c : *word) c = static_cast<char>(std::tolower(c));
      if (a != b || taken[i]) continue;
      taken[i] = true;
      text += plain_field(message.headers[i], relaxed_header) + "\r\n";
      break;
    }
  }
  mail::Header field{
      options.field_name,
      options.front + " a=" + (options.algorithm.empty() ? key.algorithm() : options.algorithm) +
          "; c=" + options.forms + "; d=" + options.domain + ";\n\ts=" + options.selector + ";" +
          options.more + (options.body_length.empty() ? "" : " l=" + options.body_length + ";") +
          " h=" + names + ";\n\tbh=" + base64(sha256_of(body)) + ";\n\tb="};
  text += plain_field(field, relaxed_header);
  field.value +=
      base64(key.sign(text, options.algorithm == "rsa-sha1" ? EVP_sha1() : EVP_sha256()));
  return field;
}

inline mail::Message sample_message() {
  mail::Message message;
  message.headers = {
      {"Received", " from a.far.example by b.far.example;\n\tThu, 1 Oct 2026 10:00:00 +0000"},
      {"From", " Ann  Far <ann@far.example>"},
      {"To", " bob@here.example,\n\t carol@here.example"},
      {"Subject", " a  quite normal\n subject "},
      {"Date", " Thu, 1 Oct 2026 10:00:00 +0000"},
      {"Message-ID", " <1@far.example>"}};
  message.headers_total = message.headers.size();
  message.body = "Hello  Bob,\r\n\r\n \tthis line has blanks \t \r\nand this one none\r\n\r\n\r\n";
  return message;
}

inline void put_on_top(mail::Message& message, mail::Header field) {
  message.headers.insert(message.headers.begin(), std::move(field));
  message.headers_total = message.headers.size();
}

}  // namespace sluice::facts::testing
