#include "milter/session_macros.h"

#include <algorithm>
#include <array>

#include "milter/wire_requests.h"

namespace sluice::milter::wire {
namespace {

constexpr std::size_t kMaxValue = 1'024;
constexpr std::size_t kMaxKept = 16 * 1'024;  // of one session; what comes then is dropped

struct Name {
  std::string_view name;
  bool is_client;  // read at the connect step alone
};
constexpr std::array<Name, 22> kRead{{
    {"i", false},
    {"{rcpt_mailer}", false},
    {"{rcpt_host}", false},
    {"{rcpt_addr}", false},
    {"{mail_mailer}", false},
    {"{mail_host}", false},
    {"{mail_addr}", false},
    {"{auth_type}", false},
    {"{auth_authen}", false},
    {"{tls_version}", false},
    {"{cipher_bits}", false},
    {"{cert_subject}", false},
    {"{verify}", false},
    {"j", true},
    {"{daemon_addr}", true},
    {"{daemon_port}", true},
    {"{client_addr}", true},
    {"{client_name}", true},
    {"{client_ptr}", true},
    {"{client_port}", true},
    {"{client_resolve}", true},
    {"{client_connections}", true},
}};

const Name* known(std::string_view name) {
  const auto at = std::find_if(kRead.begin(), kRead.end(),
                               [name](const Name& known) { return known.name == name; });
  return at == kRead.end() ? nullptr : &*at;
}

// A name of one letter may come in braces or without; it is kept without.
std::string_view plain(std::string_view name) {
  return name.size() == 3 && name.front() == '{' && name.back() == '}' ? name.substr(1, 1) : name;
}

constexpr std::size_t kFront = 4;  // bytes of a record before its name

struct Record {
  MacroStage stage;
  std::string_view name;
  const char* value;
  std::size_t size;  // of the whole record
};

std::size_t octet(char c) { return static_cast<unsigned char>(c); }

Record record_at(const std::string& kept, std::size_t at) {
  const std::size_t name = octet(kept[at + 1]);
  const std::size_t value = octet(kept[at + 2]) << 8 | octet(kept[at + 3]);
  const char* start = kept.data() + at + kFront;
  return {static_cast<MacroStage>(kept[at]), {start, name}, start + name + 1,
          kFront + name + value + 2};
}

void append_record(std::string& kept, MacroStage stage, std::string_view name,
                   std::string_view value) {
  static_assert(kMaxValue <= 0xffff);
  value = value.substr(0, kMaxValue);
  kept += static_cast<char>(stage);
  kept += static_cast<char>(name.size());  // of a name in kRead
  kept += static_cast<char>(value.size() >> 8);
  kept += static_cast<char>(value.size() & 0xff);
  kept.append(name).push_back('\0');
  kept.append(value).push_back('\0');
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
  std::size_t begin = 0;
  while (begin < kept_.size() && record_at(kept_, begin).stage < stage)
    begin += record_at(kept_, begin).size;
  std::size_t end = begin;
  while (end < kept_.size() && record_at(kept_, end).stage == stage)
    end += record_at(kept_, end).size;
  const std::size_t others = kept_.size() - (end - begin);
  // Most messages are told the same as those before: no room is asked for then.
  thread_local std::string fresh;
  fresh.clear();
  visit_macros(list, [&](std::string_view name, std::string_view value) {
    name = plain(name);
    if (known(name) != nullptr && others + fresh.size() <= kMaxKept)
      append_record(fresh, stage, name, value);
  });
  kept_.replace(begin, end - begin, fresh);
}

void SessionMacros::forget_client() {
  std::string rest;
  for (std::size_t at = 0; at < kept_.size();) {
    const Record record = record_at(kept_, at);
    const Name* name = known(record.name);
    if (name == nullptr || !name->is_client) rest.append(kept_, at, record.size);
    at += record.size;
  }
  std::string(rest).swap(kept_);  // no more room than it takes, nor than it took
}

void SessionMacros::forget_from(MacroStage stage) {
  std::size_t at = 0;
  while (at < kept_.size() && static_cast<MacroStage>(kept_[at]) < stage)
    at += record_at(kept_, at).size;
  if (at == kept_.size()) return;
  kept_.resize(at);
  if (at == 0) std::string().swap(kept_);
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
