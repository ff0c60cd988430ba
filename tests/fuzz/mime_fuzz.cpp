// rooms: facts
// A message of any bytes: structure, parameters, archives, decoding.
#include <cstdint>
#include <string>

#include "facts/archive.h"
#include "facts/message_content.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = bytes.find('\n');
  sluice::mail::Message message;
  message.headers = {{"Content-Type", std::string(bytes.substr(0, cut))}, {"From", std::string(bytes.substr(0, cut))}};
  message.body = cut == std::string_view::npos ? "" : std::string(bytes.substr(cut + 1));
  message.body_bytes = message.body.size();
  const auto content = sluice::facts::MessageContent::parse(message, true);
  if (content->structure().parts.size() > sluice::facts::kMaxParts) __builtin_trap();
  (void)sluice::facts::read_zip(bytes);
  return 0;
}
