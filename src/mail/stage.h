// Stage: the step of an SMTP session at which the MTA asks. Scope: how long what was learned there lives.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::mail {

enum class Stage : std::uint8_t { Connect, Command, Helo, Mail, Rcpt, Data, Headers, End };
inline constexpr std::size_t kStages = 8;

// As written in a policy: connect command helo mail rcpt data headers end.
std::string_view stage_name(Stage stage);
std::optional<Stage> parse_stage(std::string_view name);

// True when what becomes known at `fact` is known at `rule`. A command (one that the MTA does not know) may come at any
// time after connect, so at stage command only connect is certain, and command.* is known nowhere else.
bool is_known_at(Stage fact, Stage rule);

enum class Scope : std::uint8_t {
  Connection,   // until the client is gone
  Transaction,  // until the next MAIL, RSET, or HELO ("message" in the language)
  Recipient,    // one RCPT
};
std::string_view scope_name(Scope scope);  // connection message recipient
std::optional<Scope> parse_scope(std::string_view name);

}  // namespace sluice::mail
