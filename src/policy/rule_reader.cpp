#include "policy/rule_reader.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/action_parser.h"
#include "policy/expression_parser.h"
#include "policy/lexer.h"
#include "policy/schema.h"

namespace sluice::policy {
namespace {

constexpr unsigned bit(RuleKind kind) { return 1u << static_cast<unsigned>(kind); }
constexpr unsigned kRule = bit(RuleKind::Rule), kLimit = bit(RuleKind::Limit),
                   kGreylist = bit(RuleKind::Greylist), kScore = bit(RuleKind::Score),
                   kExempt = bit(RuleKind::Exempt);
constexpr unsigned kAnswering = kRule | kLimit | kGreylist, kEvery = kAnswering | kScore | kExempt;

constexpr std::array<std::string_view, 5> kKindWords{"rule", "limit", "greylist", "score",
                                                     "exempt"};
constexpr std::array<std::string_view, 5> kKindNames{"a rule", "a limit", "a greylist", "a score",
                                                     "an exemption"};
constexpr std::array<std::string_view, 3> kModes{"enforce", "shadow", "disabled"};
constexpr std::array<std::string_view, 3> kOnErrors{"local", "skip", "defer"};
constexpr std::array<std::string_view, 2> kReplyAts{"stage", "rcpt"};
constexpr std::array<std::string_view, 2> kCharges{"accepted", "attempts"};
constexpr std::array<std::string_view, 1> kAts{"data"};
constexpr std::array<std::string_view, 1> kForEachs{"rcpt"};
constexpr std::array<std::string_view, 3> kScopes{"connection", "message", "recipient"};
constexpr std::array<std::string_view, 8> kStages{"connect", "command", "helo",    "mail",
                                                  "rcpt",    "data",    "headers", "end"};
constexpr std::array<std::string_view, 2> kBucketKeys{"capacity", "refill"};
constexpr std::array<std::string_view, 3> kAutoAllowKeys{"key", "after", "for"};
constexpr std::string_view kDistinct = "distinct";

std::string_view name_of(RuleKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

class RuleReader {
 public:
  RuleReader(RuleSource& rule, std::size_t file, Diagnostics& diagnostics)
      : rule_(rule), file_(file), reader_(diagnostics) {}

  void read(const YamlNode& node, bool is_change);
  void check_complete();

  struct Key {
    std::string_view name;
    unsigned kinds;
    void (RuleReader::*read)(const YamlEntry&);
  };
  static const std::array<Key, 30> kKeys;

 private:
  void read_entry(const YamlEntry& entry);
  void unknown(const Scalar& key);

  void stage(const YamlEntry& e);
  void when(const YamlEntry& e) { rule_.when = reader_.expressions(e); }
  void unless(const YamlEntry& e) { rule_.unless = reader_.expressions(e); }
  void then(const YamlEntry& e);
  void text(const YamlEntry& e);
  void tags(const YamlEntry& e);
  void mode(const YamlEntry& e) { set_word<Mode>(rule_.mode, e, kModes); }
  void enforce(const YamlEntry& e) { rule_.enforce_percent = reader_.percent(e); }
  void is_protected(const YamlEntry& e) { rule_.is_protected = reader_.boolean(e).value_or(false); }
  void reply_at(const YamlEntry& e) { set_word<ReplyAt>(rule_.reply_at, e, kReplyAts); }
  void on_unknown(const YamlEntry& e);
  void on_error(const YamlEntry& e) { set_word<OnError>(rule_.on_error, e, kOnErrors); }
  void description(const YamlEntry& e) { set_text(rule_.description, e); }
  void was(const YamlEntry& e) { set_text(rule_.was, e); }
  void for_each(const YamlEntry& e) {
    rule_.for_each_rcpt = reader_.word(e, kForEachs).has_value();
  }
  void key(const YamlEntry& e);
  void count(const YamlEntry& e);
  void max(const YamlEntry& e);
  void bucket(const YamlEntry& e);
  void bucket_entry(BucketSource& bucket, const YamlEntry& e, bool capacity);
  void charge(const YamlEntry& e);
  void count_exempt(const YamlEntry& e) { rule_.count_exempt = reader_.boolean(e).value_or(false); }
  void fallback(const YamlEntry& e) { rule_.fallback_percent = reader_.percent(e); }
  void delay(const YamlEntry& e) { rule_.delay = reader_.duration(e); }
  void retry_within(const YamlEntry& e) { rule_.retry_within = reader_.duration(e); }
  void remember(const YamlEntry& e) { rule_.remember = reader_.duration(e); }
  void auto_allow(const YamlEntry& e);
  void at(const YamlEntry& e) { rule_.at_data = reader_.word(e, kAts).has_value(); }
  void add(const YamlEntry& e) { rule_.add = reader_.expression(e); }
  void from(const YamlEntry& e);
  std::optional<SelectorSource> selector(const Scalar& scalar);
  void for_scope(const YamlEntry& e);

  template <class T>
  void set_word(std::optional<T>& target, const YamlEntry& e, Words words) {
    if (const auto index = reader_.word(e, words)) target = static_cast<T>(*index);
  }
  void set_text(std::string& target, const YamlEntry& e) {
    if (const Scalar* scalar = reader_.text(e)) target = scalar->text;
  }
  bool has(std::string_view key_name) const {
    return rule_.origin.find(key_name) != rule_.origin.end();
  }
  void need(std::string_view key_name, std::string_view hint = "") {
    if (!has(key_name)) reader_.missing_key(rule_.name_span, key_name, name_of(rule_.kind), hint);
  }

  RuleSource& rule_;
  std::size_t file_;
  SchemaReader reader_;
};

const std::array<RuleReader::Key, 30> RuleReader::kKeys{{
    {"stage", kEvery, &RuleReader::stage},
    {"when", kEvery, &RuleReader::when},
    {"unless", kEvery, &RuleReader::unless},
    {"then", kAnswering, &RuleReader::then},
    {"text", kAnswering, &RuleReader::text},
    {"tags", kEvery, &RuleReader::tags},
    {"mode", kEvery, &RuleReader::mode},
    {"enforce", kEvery, &RuleReader::enforce},
    {"protected", kEvery, &RuleReader::is_protected},
    {"reply_at", kEvery, &RuleReader::reply_at},
    {"on_unknown", kEvery, &RuleReader::on_unknown},
    {"on_error", kEvery, &RuleReader::on_error},
    {"description", kEvery, &RuleReader::description},
    {"was", kEvery, &RuleReader::was},
    {"for_each", kRule | kLimit, &RuleReader::for_each},
    {"key", kLimit | kGreylist, &RuleReader::key},
    {"count", kLimit, &RuleReader::count},
    {"max", kLimit, &RuleReader::max},
    {"bucket", kLimit, &RuleReader::bucket},
    {"charge", kLimit, &RuleReader::charge},
    {"count_exempt", kLimit, &RuleReader::count_exempt},
    {"fallback", kLimit, &RuleReader::fallback},
    {"delay", kGreylist, &RuleReader::delay},
    {"retry_within", kGreylist, &RuleReader::retry_within},
    {"remember", kGreylist, &RuleReader::remember},
    {"auto_allow", kGreylist, &RuleReader::auto_allow},
    {"at", kGreylist, &RuleReader::at},
    {"add", kScore, &RuleReader::add},
    {"from", kExempt, &RuleReader::from},
    {"for", kExempt, &RuleReader::for_scope},
}};

void RuleReader::read(const YamlNode& node, bool is_change) {
  for (const YamlEntry& entry : node.entries) {
    const bool kind =
        std::find(kKindWords.begin(), kKindWords.end(), entry.first.text) != kKindWords.end();
    if (kind && !is_change) {
      const bool own = entry.first.text == kKindWords[static_cast<std::size_t>(rule_.kind)];
      if (!own)
        reader_.wrong(entry.first.whole(), "a rule has one kind; this one is " +
                                               std::string(name_of(rule_.kind)) + " already");
      continue;
    }
    read_entry(entry);
  }
}

void RuleReader::read_entry(const YamlEntry& entry) {
  const auto known = std::find_if(kKeys.begin(), kKeys.end(),
                                  [&](const Key& k) { return k.name == entry.first.text; });
  if (known == kKeys.end() || (known->kinds & bit(rule_.kind)) == 0) {
    unknown(entry.first);
    return;
  }
  rule_.origin[entry.first.text] = entry.first.whole();
  if (file_ != rule_.file) rule_.changed_in[entry.first.text] = file_;
  (this->*known->read)(entry);
}

void RuleReader::unknown(const Scalar& key_name) {
  std::string owners;
  for (const Key& k : kKeys) {
    if (k.name != key_name.text) continue;
    for (std::size_t i = 0; i < kKindNames.size(); ++i)
      if (k.kinds & (1u << i)) owners += (owners.empty() ? "" : ", ") + std::string(kKindNames[i]);
  }
  if (owners.empty()) {
    reader_.unknown_key(key_name, rule_keys(rule_.kind), name_of(rule_.kind));
    return;
  }
  reader_.diagnostics().error("E102", key_name.whole(),
                              quoted_name(key_name.text) + " is not a key of " +
                                  std::string(name_of(rule_.kind)) + ", only of " + owners);
}

void RuleReader::stage(const YamlEntry& e) {
  const auto index = reader_.word(e, kStages);
  if (!index) return;
  rule_.stage = mail::parse_stage(kStages[*index]);
  rule_.stage_span = e.second.scalar.whole();
}

void RuleReader::then(const YamlEntry& e) {
  rule_.then_given = true;
  rule_.then.clear();
  for (const YamlNode* node : reader_.texts(e)) {
    auto action = parse_action(node->scalar, reader_.diagnostics());
    reader_.check_comment(*node, !action);
    if (!action) continue;
    if (!rule_.then.empty() && is_deciding(rule_.then.back().kind)) {
      const bool both = is_deciding(action->kind);
      reader_.diagnostics().error(
          "E401", both ? action->span : rule_.then.back().span,
          both ? "only one action of a rule may decide" : "the action that decides stands last");
    }
    rule_.then.push_back(std::move(*action));
  }
}

void RuleReader::text(const YamlEntry& e) {
  const Scalar* scalar = reader_.text(e);
  if (!scalar) return;
  rule_.text = *scalar;
  reader_.check_comment(e.second, true);
}

void RuleReader::tags(const YamlEntry& e) {
  rule_.tags.clear();
  for (const YamlNode* node : reader_.texts(e))
    if (auto tag = reader_.name(node->scalar, "a tag")) rule_.tags.push_back(std::move(*tag));
}

void RuleReader::on_unknown(const YamlEntry& e) {
  if (const Scalar* scalar = reader_.text(e))
    rule_.on_unknown = parse_on_unknown(*scalar, reader_.diagnostics());
}

void RuleReader::key(const YamlEntry& e) {
  rule_.key = reader_.expressions(e);
  const bool scalar = e.second.kind == YamlNode::Kind::Scalar;
  rule_.key_span = scalar ? e.second.scalar.whole() : e.second.span;
}

void RuleReader::count(const YamlEntry& e) {
  const Scalar* scalar = reader_.text(e);
  if (!scalar) return;
  rule_.count = *scalar;
  rule_.distinct.reset();
  static constexpr std::array<std::string_view, 6> kCounts{"messages",    "recipients", "bytes",
                                                           "connections", "failures",   kDistinct};
  const bool distinct = scalar->text.starts_with(kDistinct) &&
                        scalar->text.size() > kDistinct.size() &&
                        scalar->text[kDistinct.size()] == ' ';
  if (!distinct) {
    if (scalar->text == kDistinct)
      reader_.wrong(scalar->whole(), "`distinct` needs what is counted: distinct sender.domain");
    else if (!reader_.word(e, kCounts))
      rule_.count.reset();
    return;
  }
  ExpressionParser parser(*scalar, kDistinct.size(), reader_.diagnostics());
  if (!parser.ok()) return;
  rule_.distinct = parser.value();
  if (rule_.distinct && !parser.at_end()) parser.expected("the end of what is counted");
}

void RuleReader::max(const YamlEntry& e) {
  rule_.max = reader_.expression_lists(e);
  const bool scalar = e.second.kind == YamlNode::Kind::Scalar;
  rule_.max_span = scalar ? e.second.scalar.whole() : e.second.span;
  if (file_ != rule_.file) rule_.bucket.reset(), rule_.origin.erase("bucket");
}

void RuleReader::bucket(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  BucketSource bucket;
  reader_.entries(
      e.second, kBucketKeys, "a bucket",
      [&](const YamlEntry& entry, std::size_t index) { bucket_entry(bucket, entry, index == 0); });
  for (const std::string_view needed : kBucketKeys)
    if (!e.second.find(needed)) reader_.missing_key(e.first.whole(), needed, "a bucket");
  rule_.bucket = std::move(bucket);
  if (file_ != rule_.file) rule_.max.clear(), rule_.origin.erase("max");
}

void RuleReader::bucket_entry(BucketSource& bucket, const YamlEntry& e, bool capacity) {
  const Scalar* scalar = reader_.text(e);
  if (!scalar) return;
  (capacity ? bucket.capacity : bucket.refill) = *scalar;
  if (capacity) {
    auto value = parse_literal(scalar->text, Kind::Int);
    if (!value) value = parse_literal(scalar->text, Kind::Size);
    bucket.capacity_value = value ? value->get<std::int64_t>() : 0;
    if (bucket.capacity_value < 1)
      reader_.wrong(scalar->whole(),
                    quoted_name(scalar->text) + " is not a number (100) or size (20MB)");
    return;
  }
  const auto value = parse_literal(scalar->text, Kind::Rate);
  if (value) bucket.refill_value = value->get<Rate>();
  if (!value || bucket.refill_value.unlimited || bucket.refill_value.count < 1)
    reader_.wrong(scalar->whole(), quoted_name(scalar->text) + " is not a rate (10/1m)");
}

void RuleReader::charge(const YamlEntry& e) {
  if (const auto index = reader_.word(e, kCharges)) rule_.charge_attempts = *index == 1;
}

void RuleReader::auto_allow(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  AutoAllowSource source;
  reader_.entries(e.second, kAutoAllowKeys, "`auto_allow`",
                  [&](const YamlEntry& entry, std::size_t index) {
                    if (index == 0) source.key = reader_.expressions(entry);
                    if (index == 1) source.after = reader_.count(entry).value_or(0);
                    if (index == 2) source.keep = reader_.duration(entry).value_or(Duration(0));
                  });
  for (const std::string_view needed : kAutoAllowKeys)
    if (!e.second.find(needed)) reader_.missing_key(e.first.whole(), needed, "`auto_allow`");
  rule_.auto_allow = std::move(source);
}

void RuleReader::from(const YamlEntry& e) {
  rule_.from.clear();
  for (const YamlNode* node : reader_.texts(e))
    if (auto parsed = selector(node->scalar)) rule_.from.push_back(std::move(*parsed));
}

std::optional<SelectorSource> RuleReader::selector(const Scalar& scalar) {
  using Which = SelectorSource::Kind;
  SelectorSource result{Which::Name, scalar.text, scalar.whole()};
  const std::size_t colon = scalar.text.find(':');
  if (scalar.text == "all") {
    result.kind = Which::All;
  } else if (colon != std::string::npos) {
    const std::string before = scalar.text.substr(0, colon);
    result.text = scalar.text.substr(colon + 1);
    result.kind = before == "tag" ? Which::Tag : Which::RuleKind;
    const bool known = before == "tag" ? !result.text.empty()
                                       : before == "kind" && result.text != "exempt" &&
                                             std::find(kKindWords.begin(), kKindWords.end(),
                                                       result.text) != kKindWords.end();
    if (!known) {
      reader_.wrong(result.span, quoted_name(scalar.text) +
                                     " selects nothing: `all`, a rule's name, `tag:NAME` or "
                                     "`kind:` with rule, limit, greylist or score");
      return std::nullopt;
    }
  } else if (scalar.text.empty()) {
    reader_.wrong(result.span, "an empty name selects nothing");
    return std::nullopt;
  }
  return result;
}

void RuleReader::for_scope(const YamlEntry& e) {
  if (const auto index = reader_.word(e, kScopes)) rule_.scope = mail::parse_scope(kScopes[*index]);
}

void RuleReader::check_complete() {
  need("stage");
  if (rule_.kind == RuleKind::Rule) need("then");
  if (rule_.kind == RuleKind::Limit) {
    need("key", "; a constant (key: '\"all\"') makes one counter for everything");
    need("count");
    if (!has("max") && !has("bucket"))
      reader_.missing_key(rule_.name_span, "max", "a limit", " or `bucket`");
    if (has("max") && has("bucket"))
      reader_.wrong(rule_.origin.at("bucket"), "a limit has `max` or `bucket`, not both");
  }
  if (rule_.kind == RuleKind::Score) need("add");
  if (rule_.kind == RuleKind::Exempt) need("from");
  if (!rule_.for_each_rcpt) return;
  for (const ActionSource& action : rule_.then)
    if (is_deciding(action.kind))
      reader_.diagnostics().error("E401", action.span,
                                  "with `for_each` a rule cannot decide, for the message has one "
                                  "answer; it may `drop recipient`");
}

}  // namespace

std::string_view rule_kind_name(RuleKind kind) {
  return kKindWords[static_cast<std::size_t>(kind)];
}

std::vector<std::string_view> rule_keys(RuleKind kind) {
  std::vector<std::string_view> keys;
  for (const RuleReader::Key& key : RuleReader::kKeys)
    if (key.kinds & bit(kind)) keys.push_back(key.name);
  return keys;
}

std::optional<RuleSource> read_rule(const YamlNode& node, std::size_t file,
                                    Diagnostics& diagnostics) {
  SchemaReader reader(diagnostics);
  if (node.kind != YamlNode::Kind::Map) {
    reader.wrong(node.span, "an entry of `rules` begins with its kind and name: `- rule: NAME`");
    return std::nullopt;
  }
  for (const YamlEntry& entry : node.entries) {
    const auto kind = std::find(kKindWords.begin(), kKindWords.end(), entry.first.text);
    if (kind == kKindWords.end()) continue;
    RuleSource rule;
    rule.kind = static_cast<RuleKind>(kind - kKindWords.begin());
    rule.file = file;
    const Scalar* scalar = reader.text(entry);
    const auto name = scalar ? reader.name(*scalar, name_of(rule.kind)) : std::nullopt;
    if (!name) return std::nullopt;
    rule.name = *name;
    rule.name_span = scalar->whole();
    rule.origin[entry.first.text] = entry.first.whole();
    RuleReader rule_reader(rule, file, diagnostics);
    rule_reader.read(node, false);
    rule_reader.check_complete();
    return rule;
  }
  const SourceSpan place = node.entries.empty() ? node.span : node.entries[0].first.whole();
  reader.missing_key(place, "rule", "an entry of `rules`",
                     ", `limit`, `greylist`, `score` or `exempt` with its name");
  return std::nullopt;
}

void change_rule(RuleSource& rule, const YamlNode& set, std::size_t file,
                 Diagnostics& diagnostics) {
  RuleReader reader(rule, file, diagnostics);
  reader.read(set, true);
  if (diagnostics.ok()) reader.check_complete();  // else the same would be said twice
}

}  // namespace sluice::policy
