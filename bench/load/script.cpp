#include "load/script.h"

#include <algorithm>
#include <array>

#include "milter_peer/requests.h"

namespace sluice::load {
namespace {

using peer::Event;

// 198.18.0.0/15 is set apart for measurements (RFC 2544).
std::string address_of(std::size_t client) {
  return "198." + std::to_string(18 + (client >> 16) % 2) + '.' +
         std::to_string((client >> 8) & 0xff) + '.' + std::to_string(client & 0xff);
}

std::string sender_of(std::size_t client) {
  return "sender" + std::to_string(client) + "@far" + std::to_string(client % 97) + ".example";
}

std::string recipient_of(std::size_t index, std::size_t client) {
  return "user" + std::to_string(client % 211 + index) + "@here.example";
}

std::string port_of(std::size_t client) { return std::to_string(1024 + client % 60000); }

struct KnownMacro {
  std::string_view name;
  std::string (*value)(std::size_t client);
};

// Sent when the filter names them; Postfix's own defaults where it names none are a part of these.
constexpr std::array<KnownMacro, 12> kKnownMacros = {{
    {"j", [](std::size_t) { return std::string("mx.here.example"); }},
    {"v", [](std::size_t) { return std::string("Postfix 3.7.11"); }},
    {"{daemon_name}", [](std::size_t) { return std::string("mx.here.example"); }},
    {"{daemon_addr}", [](std::size_t) { return std::string("192.0.2.1"); }},
    {"{daemon_port}", [](std::size_t) { return std::string("25"); }},
    {"{client_addr}", address_of},
    {"{client_name}",
     [](std::size_t client) { return "mail" + std::to_string(client) + ".far.example"; }},
    {"{client_ptr}",
     [](std::size_t client) { return "mail" + std::to_string(client) + ".far.example"; }},
    {"{client_resolve}", [](std::size_t) { return std::string("OK"); }},
    {"{client_port}", port_of},
    {"{mail_addr}", sender_of},
    {"i", [](std::size_t client) { return "4fRQ" + std::to_string(100000 + client) + "z1"; }},
}};

constexpr std::array<std::string_view, peer::kMacroStages> kDefaultLists = {
    " j v {daemon_name} {daemon_addr} ", " ", " {mail_addr} ", " i ", " i ", " i ", " i "};

bool is_wanted(const peer::Negotiation& negotiation, std::size_t stage, std::string_view name) {
  if (const auto& list = negotiation.macros[stage])
    return std::find(list->begin(), list->end(), name) != list->end();
  return kDefaultLists[stage].find(" " + std::string(name) + " ") != std::string_view::npos;
}

std::string text_lines(std::size_t bytes) {
  constexpr std::string_view kLine = "The quick brown fox jumps over the lazy dog, as it does.\r\n";
  std::string body;
  while (body.size() < bytes) body += kLine;
  body.resize(bytes);
  return body;
}

constexpr std::array<std::string_view, 5> kHeaderNames = {"From", "To", "Subject", "Date",
                                                          "Message-ID"};
constexpr std::array<std::string_view, 5> kHeaderValues = {
    "Ann <ann@far.example>", "bob@here.example", "The minutes of the last meeting",
    "Thu, 01 Oct 2026 10:00:00 +0200", "<20261001100000.17@far.example>"};

}  // namespace

Script::Script(const LoadOptions& options, const peer::Negotiation& negotiation)
    : negotiation_(negotiation), body_(text_lines(options.body_bytes)) {
  add(opening_, Event::Connect, false);
  add(opening_, Event::Helo, true);
  add(message_, Event::Mail, true);
  for (std::size_t i = 0; i < options.recipients; ++i) add(message_, Event::Rcpt, true, i);
  add(message_, Event::Data, true);
  for (std::size_t i = 0; i < options.headers; ++i) add(message_, Event::Header, false, i);
  add(message_, Event::EndOfHeaders, false);
  for (std::size_t at = 0; at < body_.size(); at += peer::kMaxChunkBytes)
    add(message_, Event::Body, false, at);
  add(message_, Event::EndOfBody, true);
}

void Script::add(std::vector<Step>& steps, Event event, bool client_acts, std::size_t index) {
  const bool sent = negotiation_.takes(event);
  if (sent || client_acts)
    steps.push_back({event, client_acts, sent, sent && negotiation_.answers(event), index});
}

void Script::append_step_macros(Event event, std::size_t client, std::string& out) const {
  const int stage = peer::rule_of(event).macro_stage;
  if (stage < 0) return;
  peer::Macros sent;
  for (const KnownMacro& macro : kKnownMacros)
    if (is_wanted(negotiation_, static_cast<std::size_t>(stage), macro.name))
      sent.emplace_back(macro.name, macro.value(client));
  if (!sent.empty()) peer::append_macros(out, peer::rule_of(event).command, sent);
}

void Script::append(const Step& step, std::size_t client, std::string& out) const {
  append_step_macros(step.event, client, out);
  const peer::Command command = peer::rule_of(step.event).command;
  switch (step.event) {
    case Event::Connect:
      return peer::append_connect(
          out, {"mail" + std::to_string(client) + ".far.example", '4',
                static_cast<std::uint16_t>(1024 + client % 60000), address_of(client)});
    case Event::Helo:
      return peer::append_texts(out, command, {"mail" + std::to_string(client) + ".far.example"});
    case Event::Mail:
      return peer::append_texts(out, command, {"<" + sender_of(client) + ">", "SIZE=4300"});
    case Event::Rcpt:
      return peer::append_texts(out, command, {"<" + recipient_of(step.index, client) + ">"});
    case Event::Header: {
      const std::size_t i = step.index % kHeaderNames.size();
      return peer::append_texts(out, command, {kHeaderNames[i], kHeaderValues[i]});
    }
    case Event::Body:
      return peer::append_body(out,
                               std::string_view(body_).substr(step.index, peer::kMaxChunkBytes));
    default:
      return peer::append_bare(out, command);
  }
}

}  // namespace sluice::load
