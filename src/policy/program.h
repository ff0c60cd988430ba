// Program: a policy compiled: names resolved, types checked, lists and tables loaded, rules grouped by stage and kind.
// Immutable after compile(); shared by all sessions that began with it, from any thread.
//
// What the engine needs to know of a rule stands here as plain data; expressions are behind Program::evaluate and
// Program::test, templates behind Program::render. All three ask a FactSource, none does I/O.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "mail/reply_code.h"
#include "mail/stage.h"
#include "mail/verdict.h"
#include "policy/policy_source.h"
#include "policy/value.h"
#include "policy/vocabulary.h"

namespace sluice::policy {

class ListPool;                       // policy/list_pool.h

using ExprId = std::uint32_t;         // expression of this program
inline constexpr ExprId kNoExpr = 0xffffffff;
using TemplateId = std::uint32_t;
inline constexpr TemplateId kNoTemplate = 0xffffffff;
using RuleId = std::uint32_t;         // index into Program::rules()
using ListId = std::uint32_t;         // index into Program::dynamic_lists()
using FactIndex = std::uint16_t;      // index into Program::facts(): only what this policy names

// A fact that the program names: a built-in one, a declared one, or one made from a `dnsbl:` entry.
struct UsedFact {
  FactSignature signature;
  enum class Origin : std::uint8_t { BuiltIn, Declared, Dnsbl } origin = Origin::BuiltIn;
  std::uint32_t dnsbl = 0;            // index into Program::dnsbls() for dnsbl.NAME
  mail::Stage first_used = mail::Stage::End;  // earliest stage of a rule that names it
};

struct Dnsbl {
  std::string name, zone;
  enum class Of : std::uint8_t { ClientIp, SenderDomain, HeloName } of = Of::ClientIp;
  std::vector<std::pair<IpAddress, IpAddress>> hit, error;  // inclusive ranges
};

struct DynamicList {
  std::string name;                   // "banned", with the bundle's prefix; part of the state key
  Type element;                       // Cidr, Domain, Address, Text, Int
};

// Who the values come from. Elements: inside any(rcpts, …) rcpt.* facts are asked with the element's index.
// Threads: one evaluation at a time. Pointers stay good until the next event of the session.
class FactSource {
 public:
  static constexpr std::uint32_t kNoElement = 0xffffffff;
  virtual ~FactSource() = default;
  // nullptr: not there yet, the request has been noted for this round.
  virtual const Value* fact(FactIndex fact, std::uint32_t recipient) = 0;
  // Number of accepted recipients (`rcpts`).
  virtual std::uint32_t recipient_count() = 0;
  // header("X"): the first of that name, decoded and unfolded; none when absent.
  virtual const Value* header(std::string_view name) = 0;
  // x in $dynamic: Bool or unknown.
  virtual const Value* contains(ListId list, const Value& value) = 0;
  // seen(values, within): Bool or unknown. `site` tells one call in the program from another.
  virtual const Value* seen(std::uint32_t site, std::span<const Value> values, Duration within) = 0;
  // Words that only templates know: limit.max limit.wait limit.name greylist.wait rule id. Empty: not known here.
  virtual std::string template_word(std::string_view word) = 0;
};

enum class Truth : std::uint8_t { False, True, Unknown, Pending };

// Outcome of a condition: why it is unknown, for on_unknown and the log.
struct TruthOutcome {
  Truth truth = Truth::False;
  UnknownReason reason = UnknownReason::Timeout;  // Unknown
  std::string_view unknown_fact;                  // Unknown: name of the first fact that was
};

struct Decision {                     // the deciding action of a rule
  mail::Action action = mail::Action::Reject;
  int code = 550;                     // after reply_codes: rfc
  mail::EnhancedStatus status;
  std::string_view default_text;      // of the catalogue
  bool status_written = false;        // by the rule itself
  TemplateId reason = kNoTemplate;    // quarantine
};

struct RuleAction {                   // a non-deciding action
  ActionSource::Kind kind = ActionSource::Kind::Log;
  std::string name;                   // header
  TemplateId text = kNoTemplate;
  ExprId value = kNoExpr;             // add VALUE to, remove VALUE from
  ListId list = 0;
  std::optional<Duration> keep;
  ExprId condition = kNoExpr;
  bool condition_negated = false;
  Duration delay{0};
  bool delay_each = false;
  std::optional<Duration> delay_max;
};

enum class CountOf : std::uint8_t { Messages, Recipients, Bytes, Connections, Failures, Distinct };

struct LimitSpec {
  std::vector<ExprId> key;
  CountOf count = CountOf::Messages;
  ExprId distinct = kNoExpr;
  std::vector<ExprId> max;            // each a Rate; or one expression of type list of rate
  std::optional<Rate> bucket_refill;
  std::int64_t bucket_capacity = 0;
  bool charge_attempts = false;
  bool count_exempt = false;
  std::optional<int> fallback_percent;
  std::string state_key;              // "policy/rule/limit/count/expressions": the counts are not part of it
};

struct GreylistSpec {
  std::vector<ExprId> key;            // kNoExpr where key_all_recipients says so
  std::vector<bool> key_all_recipients;  // position i is the sorted set of all recipients (stage end)
  Duration delay{300'000}, retry_within{172'800'000}, remember{3'024'000'000};
  std::vector<ExprId> auto_key;
  int auto_after = 0;
  Duration auto_for{0};
  bool at_data = false;
  std::string state_key;
};

struct Rule {
  RuleKind kind = RuleKind::Rule;
  std::string name;                   // metric label, log field, state key
  std::string rev;                    // first 8 hex digits of the hash of its normalised form
  std::string policy;                 // bundle name of its file, for `policy=name@version`
  mail::Stage stage = mail::Stage::Connect;
  bool reply_at_rcpt = false;         // connect, helo, mail rules whose answer waits for RCPT
  Mode mode = Mode::Enforce;
  int enforce_percent = 100;
  bool is_protected = false;
  bool for_each_rcpt = false;
  std::vector<std::string> tags;
  ExprId condition = kNoExpr;         // when and not unless; kNoExpr: always
  OnUnknown on_unknown;
  OnError on_error = OnError::Local;
  std::vector<RuleAction> actions;
  std::optional<Decision> decision;
  TemplateId text = kNoTemplate, help = kNoTemplate;
  std::optional<LimitSpec> limit;
  std::optional<GreylistSpec> greylist;
  ExprId score_add = kNoExpr;
  std::vector<RuleId> exempts;        // what this exemption reaches, ascending, protected rules left out
  mail::Scope exempt_scope = mail::Scope::Connection;
  std::vector<std::uint32_t> seen_sites;  // seen(...) calls in its condition
  SourceSpan origin;
  // The rfc form of a catalogue code, for on_unknown and on_error answers.
  ReplyCodes reply_codes = ReplyCodes::Table;
};

enum class Mixed : std::uint8_t { First, Strictest, Laxest };
struct RecipientsSpec {
  ExprId profile = kNoExpr;           // text
  bool split_unauthenticated = true;
  Mixed mixed = Mixed::First;
  std::vector<std::string> order;     // strictest first
};

// Rules of one stage by phase, in file order, disabled ones left out.
struct StageRules {
  std::vector<RuleId> exempts, scores, deciders;  // deciders: rule, limit, greylist
  std::vector<FactIndex> facts;       // named by this stage's rules: may be asked ahead
  bool empty() const { return exempts.empty() && scores.empty() && deciders.empty(); }
};

// Files and folders whose facts the loader cannot know by itself.
struct CompileOptions {
  // Declared facts of the service configuration: a different type is a load error. name -> type.
  std::vector<FactSignature> service_facts;
  bool fold_local_part = true;        // addresses: {localpart: fold}
  std::string delimiters = "+";       // addresses: {delimiter: "+"}, for strip_tag()
  // Lists are shared by content with the programs compiled before with the same pool. Null: not shared.
  std::shared_ptr<ListPool> pool;
};

struct Code;      // expressions, templates, lists, tables, regular expressions (policy/code.h)
class RuleIndex;  // policy/rule_index.h

class Program {
 public:
  ~Program();
  const std::vector<Rule>& rules() const { return rules_; }
  const Rule& rule(RuleId id) const { return rules_[id]; }
  const StageRules& stage(mail::Stage s) const { return stages_[static_cast<std::size_t>(s)]; }
  const std::vector<UsedFact>& facts() const { return facts_; }
  const std::vector<Dnsbl>& dnsbls() const { return dnsbls_; }
  const std::vector<DynamicList>& dynamic_lists() const { return dynamic_lists_; }
  const std::optional<RecipientsSpec>& recipients() const { return recipients_; }
  const std::string& policy() const { return policy_; }     // name of the main bundle
  const std::string& version() const { return version_; }
  const std::string& timezone() const { return timezone_; }  // empty when no rule needs it
  const std::string& hash() const { return hash_; }          // 4 hex digits: the "#5f3a" of the log
  const std::string& label() const { return label_; }        // "mx-example@2026-11-23.1#5f3a"
  bool needs_body() const { return needs_body_; }    // at least while it comes
  bool keeps_body() const { return keeps_body_; }
  bool needs_headers() const { return needs_headers_; }
  bool uses_stage(mail::Stage s) const { return !stage(s).empty(); }
  // Files this program was made from (policies, lists, tables), for watching.
  const std::vector<std::string>& watched_files() const { return watched_files_; }

  // The deciders of a stage whose condition may be other than false, in file order, in place of what
  // `out` held; the others need not be tried. Asks the facts that cost nothing by which rules are
  // found (equality, prefix, suffix, parent domain, regular expression).
  void candidates(mail::Stage stage, FactSource& facts, std::vector<RuleId>& out) const;
  // Truth of a condition. kNoExpr is true. Pending only when what is missing can still change the result.
  TruthOutcome test(ExprId expr, FactSource& facts, std::uint32_t recipient = FactSource::kNoElement) const;
  // Value of an expression; nullopt: pending. Bool expressions give Bool or unknown.
  std::optional<Value> evaluate(ExprId expr, FactSource& facts, std::uint32_t recipient = FactSource::kNoElement) const;
  // Text of a template: none prints "-", unknown "?"; values cut to 128 characters. nullopt: pending.
  std::optional<std::string> render(TemplateId text, FactSource& facts, std::uint32_t recipient = FactSource::kNoElement) const;
  // Kind of an expression's value: what key_text() folds it by. Bool for kNoExpr.
  Kind kind_of(ExprId expr) const;
  // What a seen(...) call of a rule asks for, whatever the rest of the condition gives: `visit` runs once for each
  // element of the lists around the call (once when there is none) with its values and its duration; elements with an
  // unknown value are left out. False: something is pending, nothing was visited.
  using SeenVisitor = std::function<void(std::span<const Value> values, Duration within)>;
  bool visit_seen(std::uint32_t site, FactSource& facts, std::uint32_t recipient, const SeenVisitor& visit) const;
  // Key of what a seen(...) call has recorded, "policy/rule/seen/expressions": stays when other rules come and go.
  const std::string& seen_state_key(std::uint32_t site) const;
  // The expression as text, for traces.
  std::string_view expression_text(ExprId expr) const;
  // Facts an expression names, for traces ("the values it saw").
  std::vector<FactIndex> facts_of(ExprId expr) const;

 private:
  friend class Compiler;
  Program();
  std::vector<Rule> rules_;
  std::array<StageRules, mail::kStages> stages_;
  std::vector<UsedFact> facts_;
  std::vector<Dnsbl> dnsbls_;
  std::vector<DynamicList> dynamic_lists_;
  std::optional<RecipientsSpec> recipients_;
  std::string policy_, version_, timezone_, hash_, label_;
  bool needs_body_ = false, keeps_body_ = false, needs_headers_ = false;
  std::vector<std::string> watched_files_;
  std::unique_ptr<const Code> code_;
  std::array<std::unique_ptr<const RuleIndex>, mail::kStages> indices_;
};
using ProgramPtr = std::shared_ptr<const Program>;

// Checks everything (E2xx to E6xx, W8xx) and compiles. nullptr when there are errors; all of them are in `diagnostics`.
ProgramPtr compile(const PolicySource& source, const Vocabulary& vocabulary, const CompileOptions& options,
                   Diagnostics& diagnostics);

// After a reload: W801 for every limit and greylist of `after` that begins without state although a rule of the same form
// that is gone had some; `was:` in the new rule keeps it.
void warn_about_renames(const Program& before, const Program& after, Diagnostics& diagnostics);

// Text in which a value is counted, greylisted and looked up: folds exactly like == of its type. Used by engine/state_key.
std::string key_text(const Value& value, Kind kind);
// The same where the site compares local parts exactly (CompileOptions::fold_local_part false).
std::string key_text(const Value& value, Kind kind, bool fold_local_part);

}  // namespace sluice::policy
