#include "milter_peer/requests.h"

#include "milter_peer/frame.h"

namespace sluice::peer {
namespace {

void append_text(std::string& body, std::string_view text) {
  body.append(text);
  body.push_back('\0');
}

}  // namespace

void append_negotiate(std::string& out, const Offer& offer) {
  std::string body;
  append_u32(body, offer.version);
  append_u32(body, offer.actions);
  append_u32(body, offer.steps);
  append_frame(out, static_cast<char>(Command::Negotiate), body);
}

void append_macros(std::string& out, Command command, const Macros& macros) {
  std::string body(1, static_cast<char>(command));
  for (const auto& [name, value] : macros) {
    append_text(body, name);
    append_text(body, value);
  }
  append_frame(out, static_cast<char>(Command::Macro), body);
}

void append_connect(std::string& out, const ClientAddress& client) {
  std::string body;
  append_text(body, client.name);
  body.push_back(client.family);
  if (client.family != 'U') {
    body.push_back(static_cast<char>(client.port >> 8));
    body.push_back(static_cast<char>(client.port & 0xff));
    append_text(body, client.address);
  }
  append_frame(out, static_cast<char>(Command::Connect), body);
}

void append_texts(std::string& out, Command command, const std::vector<std::string_view>& texts) {
  std::string body;
  for (const std::string_view text : texts) append_text(body, text);
  append_frame(out, static_cast<char>(command), body);
}

void append_body(std::string& out, std::string_view chunk) {
  append_frame(out, static_cast<char>(Command::Body), chunk);
}

void append_bare(std::string& out, Command command) {
  append_frame(out, static_cast<char>(command), {});
}

}  // namespace sluice::peer
