#include "milter/session_macros.h"

#include <algorithm>
#include <array>

#include "milter/wire_requests.h"

namespace sluice::milter::wire {
namespace {

constexpr std::size_t kMaxValue = 1'024;
constexpr std::size_t kMaxKept = 16 * 1'024;  // of one session; what comes then is dropped

constexpr std::array<std::string_view, 22> kRead{
    "j",               "i",
    "{daemon_addr}",   "{daemon_port}",
    "{client_addr}",   "{client_name}",
    "{client_ptr}",    "{client_port}",
    "{client_resolve}", "{client_connections}",
    "{tls_version}",   "{cipher_bits}",
    "{cert_subject}",  "{verify}",
    "{auth_type}",     "{auth_authen}",
    "{rcpt_mailer}",   "{rcpt_host}",
    "{rcpt_addr}",     "{mail_mailer}",
    "{mail_host}",     "{mail_addr}"};

// A name of one letter may come in braces or without; it is kept without.
std::string_view plain(std::string_view name) {
  return name.size() == 3 && name.front() == '{' && name.back() == '}' ? name.substr(1, 1) : name;
}

struct Record {
  MacroStage stage;
  std::string_view name;
  const char* value;
  std::size_t size;  // of the whole record
};

Record record_at(const std::string& kept, std::size_t at) {
  Record record{static_cast<MacroStage>(kept[at]), std::string_view(kept.c_str() + at + 1), nullptr,
                0};
  record.value = record.name.data() + record.name.size() + 1;
  record.size = record.name.size() + std::string_view(record.value).size() + 3;
  return record;
}

}  // namespace

std::optional<MacroStage> macro_stage_of(char command) {
  switch (static_cast<Command>(command)) {
    case Command::Connect:
      return MacroStage::Connect;
    case Command::Helo:
      return MacroStage::Helo;
    case Command::Mail:
      return MacroStage::Mail;
    case Command::Rcpt:
      return MacroStage::Rcpt;
    case Command::Data:
      return MacroStage::Data;
    case Command::EndOfBody:
      return MacroStage::EndOfMessage;
    case Command::EndOfHeaders:
      return MacroStage::EndOfHeaders;
    default:
      return std::nullopt;
  }
}

void SessionMacros::take(MacroStage stage, std::string_view list) {
  std::string before, after;
  for (std::size_t at = 0; at < kept_.size();) {
    const Record record = record_at(kept_, at);
    if (record.stage != stage) (record.stage < stage ? before : after).append(kept_, at, record.size);
    at += record.size;
  }
  kept_ = std::move(before);
  visit_macros(list, [&](std::string_view name, std::string_view value) {
    name = plain(name);
    if (std::find(kRead.begin(), kRead.end(), name) == kRead.end() || kept_.size() > kMaxKept) return;
    kept_ += static_cast<char>(stage);
    kept_.append(name).push_back('\0');
    kept_.append(value.substr(0, kMaxValue)).push_back('\0');
  });
  kept_ += after;
}

void SessionMacros::forget_from(MacroStage stage) {
  std::size_t at = 0;
  while (at < kept_.size() && static_cast<MacroStage>(kept_[at]) < stage)
    at += record_at(kept_, at).size;
  if (at == kept_.size()) return;
  kept_.resize(at);
  if (at == 0) kept_ = std::string();
}

const char* SessionMacros::macro(const char* name) const {
  Record found{MacroStage::Connect, {}, nullptr, 0};
  const std::string_view wanted = plain(name);
  for (std::size_t at = 0; at < kept_.size();) {
    const Record record = record_at(kept_, at);
    if (record.name == wanted && (found.value == nullptr || record.stage != found.stage))
      found = record;
    at += record.size;
  }
  return found.value;
}

}  // namespace sluice::milter::wire
