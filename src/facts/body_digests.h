// BodyDigests: the digests of one body that its signatures need, made while it arrives. Nothing of
// the body is kept. Signatures with the same form and length share one.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "facts/dkim_canonical.h"
#include "facts/public_key.h"

namespace sluice::facts {

class BodyDigests {
 public:
  // Which digest a signature with this form and l= wants. Before the first feed().
  std::size_t want(Canonical form, std::optional<std::uint64_t> length);
  void feed(std::string_view chunk);
  // The end of the body; once.
  void end();
  // After end(). SHA-256.
  const std::string& digest(std::size_t which) const { return digests_[which].value; }
  // The canonical body has at least the octets that l= says.
  bool is_whole(std::size_t which) const;

 private:
  struct Digest {
    Canonical form;
    std::optional<std::uint64_t> length;
    std::uint64_t seen = 0;  // octets of the canonical body
    Sha256 sha;
    std::string value;
    void take(std::string_view bytes);
  };
  struct Form {
    Canonical form;
    CanonicalBody body;
  };
  void give(Canonical form, std::string_view bytes);

  std::vector<Digest> digests_;
  std::vector<Form> forms_;  // of the digests, each once
};

}  // namespace sluice::facts
