// A policy as written: files read, includes followed, `change:` applied, expressions parsed; nothing resolved or typed.
// bundle_loader.cpp fills it, compiler.cpp turns it into a Program. Everything keeps its place in its file.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mail/reply_code.h"
#include "mail/stage.h"
#include "mail/verdict.h"
#include "policy/ast.h"

namespace sluice::policy {

inline constexpr std::size_t kMaxIncludeDepth = 16;
inline constexpr std::size_t kMaxRules = 100'000;

enum class RuleKind : std::uint8_t { Rule, Limit, Greylist, Score, Exempt };
std::string_view rule_kind_name(RuleKind kind);
enum class Mode : std::uint8_t { Enforce, Shadow, Disabled };
enum class OnError : std::uint8_t { Local, Skip, Defer };
enum class ReplyCodes : std::uint8_t { Table, Rfc };
enum class ReplyAt : std::uint8_t { Stage, Rcpt };

// `skip`, `match`, `defer [code4 [esc]]`
struct OnUnknown {
  enum class What : std::uint8_t { Skip, Match, Defer } what = What::Skip;
  std::optional<int> code;
  std::optional<mail::EnhancedStatus> status;
  SourceSpan span;
};

// One action of `then:` as parsed by the grammar.
struct ActionSource {
  enum class Kind : std::uint8_t {
    Reject, Defer, Disconnect, Quarantine, Discard,                     // deciding
    Header, InsertHeader, SetHeader, RemoveHeader, SubjectPrefix,       // edits
    AddToList, RemoveFromList, DropRecipient, Delay, Log,
    AddRecipient, RedirectTo, SetSender, Footer,
  };
  Kind kind = Kind::Log;
  SourceSpan span;                              // of the whole action
  int code = 0;
  SourceSpan code_span;
  std::optional<mail::EnhancedStatus> status;
  SourceSpan status_span;
  std::string name;                             // header name
  std::optional<Scalar> text;                   // template: value, reason, prefix, log line, address
  std::optional<Node> value;                    // add VALUE to $list
  std::string list;                             // without $
  SourceSpan list_span;
  std::optional<Duration> keep;                 // for D
  std::optional<Node> condition;                // when/unless of `add`
  bool condition_negated = false;               // unless
  Duration delay{0};
  bool delay_each = false;
  std::optional<Duration> delay_max;
};

struct SelectorSource {
  enum class Kind : std::uint8_t { All, Name, Tag, RuleKind } kind = Kind::Name;
  std::string text;                             // glob of names, tag, kind
  SourceSpan span;
};

struct BucketSource {
  Scalar capacity, refill;
  std::int64_t capacity_value = 0;
  Rate refill_value;
};

struct AutoAllowSource {
  std::vector<Node> key;
  int after = 0;
  Duration keep{0};
};

struct RuleSource {
  RuleKind kind = RuleKind::Rule;
  std::size_t file = 0;                         // index into PolicySource::files: whose defaults, lets and lists it sees
  std::string name;                             // with the bundle's prefix when included: "base/no-rdns"
  SourceSpan name_span;
  std::optional<mail::Stage> stage;
  SourceSpan stage_span;
  std::vector<Node> when, unless;
  std::vector<ActionSource> then;
  bool then_given = false;
  std::optional<Scalar> text;
  std::vector<std::string> tags;
  std::optional<Mode> mode;
  std::optional<int> enforce_percent;
  bool is_protected = false;
  std::optional<ReplyAt> reply_at;
  std::optional<OnUnknown> on_unknown;
  std::optional<OnError> on_error;
  std::string description, was;                 // was: the old name whose state it takes over
  bool for_each_rcpt = false;
  // limit, greylist
  std::vector<Node> key;
  SourceSpan key_span;
  std::optional<Scalar> count;                  // "messages", "distinct sender.domain"
  std::optional<Node> distinct;                 // parsed from count
  std::vector<Node> max;
  SourceSpan max_span;
  std::optional<BucketSource> bucket;
  std::optional<bool> charge_attempts;
  bool count_exempt = false;
  std::optional<int> fallback_percent;
  // greylist
  std::optional<Duration> delay, retry_within, remember;
  std::optional<AutoAllowSource> auto_allow;
  bool at_data = false;
  // score
  std::optional<Node> add;
  // exempt
  std::vector<SelectorSource> from;
  std::optional<mail::Scope> scope;
  // origin of each key for `check --show`: key -> place
  std::map<std::string, SourceSpan, std::less<>> origin;
  // Keys that a `change:` of another file set: key -> index of that file. Their names are looked for there.
  std::map<std::string, std::size_t, std::less<>> changed_in;
  // Whose lists, lets and defaults the value of `rule_key` sees.
  std::size_t file_of(std::string_view rule_key) const {
    const auto changed = changed_in.find(rule_key);
    return changed == changed_in.end() ? file : changed->second;
  }
};

// Names of lists, tables, dnsbls, facts and lets are as written, without prefix: `$x` is the list of the same file,
// `$base/x` the list of the file whose prefix is "base/".
struct ListSource {
  std::size_t file = 0;
  std::string name;
  SourceSpan span;
  std::vector<Scalar> types;                    // one, or several for pairs
  bool is_pair = false;
  bool dynamic = false;
  std::vector<YamlNode> items;                  // scalars, or sequences for pairs
  std::vector<Scalar> paths;                    // file: PATH, relative to the policy file
};
struct TableSource {
  std::size_t file = 0;
  std::string name;
  SourceSpan span;
  Scalar key_type, value_type;
  std::vector<std::pair<Scalar, YamlNode>> items;
  std::optional<Scalar> path;
};
struct DnsblSource {
  std::size_t file = 0;
  std::string name;
  SourceSpan span;
  Scalar zone, of;
  std::optional<Scalar> hit, error;
};
struct DeclaredFactSource {
  std::size_t file = 0;
  Scalar name, type;
  std::vector<Scalar> args;
};
struct LetSource {
  std::size_t file = 0;
  std::string name;
  SourceSpan span;
  Node expression;
};
struct RecipientsSource {
  SourceSpan span;
  std::size_t file = 0;
  std::optional<Node> profile;
  std::optional<Scalar> split, mixed;           // never|unauthenticated; first|strictest|laxest
  std::vector<Scalar> order;
};
struct FileSource {
  SourceFilePtr source;
  std::string policy, version;                  // bundle name and free text
  std::string prefix;                           // "" for the main file, "base/" for an included bundle
  Mode mode = Mode::Enforce;
  OnUnknown on_unknown;
  OnError on_error = OnError::Local;
  ReplyAt reply_at = ReplyAt::Rcpt;
  ReplyCodes reply_codes = ReplyCodes::Table;
  std::optional<Scalar> help;
  // Where `policy`, `version` and each key of `defaults` stand ("mode", "help"); what is not there has its default.
  std::map<std::string, SourceSpan, std::less<>> origin;
};

struct PolicySource {
  std::vector<FileSource> files;
  std::optional<Scalar> timezone;
  std::vector<ListSource> lists;
  std::vector<TableSource> tables;
  std::vector<DnsblSource> dnsbls;
  std::vector<DeclaredFactSource> facts;
  std::vector<LetSource> lets;
  std::optional<RecipientsSource> recipients;
  std::vector<RuleSource> rules;                // in evaluation order: of the including file before the included ones
  std::vector<std::pair<SourceFilePtr, YamlNode>> tests;  // the `tests:` of each file, as they stand
};

// Loads policy files (and the *.yaml of folders, in name order) as one bundle. Adds every diagnostic of E1xx, E2xx
// syntax, E401 and E7xx (E105: a key is missing, E106: a value of the wrong form, E703: a file cannot be read).
// The tests of included files are left out: they were written for that bundle alone. A file that holds tests only brings
// the policy file beside it that its `policy:` names, if that is not among `paths`.
PolicySource load_policy(const std::vector<std::string>& paths, Diagnostics& diagnostics);
// The same from text, for tests and editors; includes are looked for beside `name`.
PolicySource load_policy_text(std::string name, std::string text, Diagnostics& diagnostics);

// "mx.yaml: 19 rules, 17 errors, 1 warning": the last line of `sluice check`.
std::string render_summary(std::string_view name, const PolicySource& source, const Diagnostics& diagnostics);

}  // namespace sluice::policy
