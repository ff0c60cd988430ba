// rooms: facts
// DKIM signature fields, key records, ARC chains and bodies of hostile senders. The first byte of
// the input chooses; the rest is the text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "facts/dkim_key.h"
#include "facts/message_signatures.h"
#include "facts/public_key.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::facts;
using fuzz::require;

// Every key name has the same TXT record.
class OneRecord final : public DnsAnswers {
 public:
  explicit OneRecord(std::string_view text) {
    answer_.status = backends::DnsStatus::Ok;
    answer_.records.push_back({{}, std::string(text), 0});
  }
  const backends::DnsAnswer* ask(std::string_view name, backends::DnsType) override {
    require(!name.empty() && name.size() <= 253, "only names are asked for");
    return &answer_;
  }

 private:
  backends::DnsAnswer answer_;
};

void check_signature_field(std::string_view text) {
  const auto signature = parse_dkim_signature(text);
  if (!signature) {
    require(!signature.error().what.empty(), "an error says what is wrong");
    return;
  }
  require(!signature->domain.empty() && !signature->selector.empty(), "a signature has a signer");
  require(!signature->signature.empty() && signature->signature.size() <= kMaxSignatureBytes,
          "a signature is bounded");
  const std::string without = without_signature(text);
  require(without.size() < text.size(), "b= is taken out");
  require(without_signature(without) == without, "b= is taken out once");
}

void check_key_record(std::string_view text) {
  const auto record = parse_dkim_key(text);
  if (!record) return;
  const auto key = PublicKey::from(*record);
  if (key) require(!key->verifies(sha256("x"), "no signature"), "nothing but a signature verifies");
}

// Header lines, an empty line, body: whole, and cut into pieces of another size.
void check_message(std::string_view text) {
  mail::Message message;
  std::string_view body;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) {
      body = text.substr(std::min(at, text.size()));
      break;
    }
    const std::size_t colon = std::min(line.find(':'), line.size());
    message.headers.push_back({std::string(line.substr(0, colon)),
                               std::string(line.substr(std::min(colon + 1, line.size())))});
  }
  message.headers_total = message.headers.size();
  OneRecord key("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  MessageSignatures whole(message), pieces(message);
  whole.body(body);
  whole.end();
  for (std::size_t at = 0; at < body.size(); at += 3) pieces.body(body.substr(at, 3));
  pieces.end();
  const auto a = whole.dkim(key, TimePoint{}), b = pieces.dkim(key, TimePoint{});
  require(a && b && a->size() == b->size() && a->size() <= kMaxDkimSignatures,
          "each signature up to the cap has an outcome");
  for (std::size_t i = 0; i < a->size(); ++i)
    require((*a)[i].result == (*b)[i].result && (*a)[i].problem == (*b)[i].problem,
            "how the body is cut changes nothing");
  require(whole.arc(key, TimePoint{}).has_value(), "a chain has an outcome");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 3) {
    case 0:
      check_signature_field(text);
      break;
    case 1:
      check_key_record(text);
      break;
    default:
      check_message(text);
  }
  return 0;
}
