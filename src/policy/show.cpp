#include "policy/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/action_parser.h"

namespace sluice::policy {
namespace {

constexpr std::size_t kOriginColumn = 72;
constexpr std::array<std::string_view, 3> kModes{"enforce", "shadow", "disabled"};
constexpr std::array<std::string_view, 3> kOnErrors{"local", "skip", "defer"};
constexpr std::array<std::string_view, 2> kReplyAts{"stage", "rcpt"};
constexpr std::array<std::string_view, 2> kReplyCodes{"table", "rfc"};
constexpr std::array<std::string_view, 3> kUnknowns{"skip", "match", "defer"};

template <std::size_t N, class T>
std::string word(const std::array<std::string_view, N>& words, T value) {
  return std::string(words[static_cast<std::size_t>(value)]);
}

// As a YAML scalar: single quotes when it could be read as something else.
std::string yaml(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? "''" : std::string(1, c == '\n' ? ' ' : c));
  return out + '\'';
}

std::string template_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string sequence(const std::vector<std::string>& items) {
  return '[' + fmt::format("{}", fmt::join(items, ", ")) + ']';
}

template <class Range, class Render>
std::vector<std::string> all(const Range& range, Render render) {
  std::vector<std::string> out;
  for (const auto& item : range) out.push_back(render(item));
  return out;
}

std::string expressions(const std::vector<Node>& nodes) {
  const auto texts = all(nodes, [](const Node& n) { return yaml(render_expression(n)); });
  return texts.size() == 1 ? texts[0] : sequence(texts);
}

std::string on_unknown(const OnUnknown& u) {
  std::string out = word(kUnknowns, u.what);
  if (u.code) out += fmt::format(" {}", *u.code);
  return u.status ? out + ' ' + u.status->to_string() : out;
}

std::string selector(const SelectorSource& s) {
  using Which = SelectorSource::Kind;
  return yaml(s.kind == Which::Tag        ? "tag:" + s.text
              : s.kind == Which::RuleKind ? "kind:" + s.text
                                          : s.text);
}

std::string bucket(const BucketSource& b) {
  return fmt::format("{{capacity: {}, refill: {}}}", b.capacity.text, b.refill.text);
}

std::string auto_allow(const AutoAllowSource& a) {
  return fmt::format("{{key: {}, after: {}, for: {}}}", expressions(a.key), a.after,
                     render_duration(a.keep));
}

template <class T>
std::string when_set(const std::optional<T>& value, std::string (*render)(const T&)) {
  return value ? render(*value) : std::string();
}

std::string duration(const std::optional<Duration>& d) {
  return d ? render_duration(*d) : std::string();
}
std::string share(const std::optional<int>& p) {
  return p ? std::to_string(*p) + '%' : std::string();
}
std::string boolean(bool b) { return b ? "true" : "false"; }

// Keys in the order in which people write them.
struct RuleKey {
  std::string_view name;
  std::string (*render)(const RuleSource&);
};
using R = const RuleSource&;
constexpr std::array<RuleKey, 30> kRuleKeys{{
    {"stage",
     [](R r) { return r.stage ? std::string(mail::stage_name(*r.stage)) : std::string(); }},
    {"for_each", [](R) { return std::string("rcpt"); }},
    {"when", [](R r) { return expressions(r.when); }},
    {"unless", [](R r) { return expressions(r.unless); }},
    {"key", [](R r) { return expressions(r.key); }},
    {"count", [](R r) { return r.count ? r.count->text : std::string(); }},
    {"max",
     [](R r) { return yaml(fmt::format("{}", fmt::join(all(r.max, render_expression), ", "))); }},
    {"bucket", [](R r) { return when_set(r.bucket, bucket); }},
    {"charge",
     [](R r) { return std::string(r.charge_attempts.value_or(false) ? "attempts" : "accepted"); }},
    {"count_exempt", [](R r) { return boolean(r.count_exempt); }},
    {"fallback", [](R r) { return share(r.fallback_percent); }},
    {"delay", [](R r) { return duration(r.delay); }},
    {"retry_within", [](R r) { return duration(r.retry_within); }},
    {"remember", [](R r) { return duration(r.remember); }},
    {"auto_allow", [](R r) { return when_set(r.auto_allow, auto_allow); }},
    {"at", [](R) { return std::string("data"); }},
    {"add", [](R r) { return r.add ? yaml(render_expression(*r.add)) : std::string(); }},
    {"from", [](R r) { return sequence(all(r.from, selector)); }},
    {"for", [](R r) { return r.scope ? std::string(mail::scope_name(*r.scope)) : std::string(); }},
    {"then",
     [](R r) {
       return sequence(all(r.then, [](const ActionSource& a) { return yaml(render_action(a)); }));
     }},
    {"text", [](R r) { return r.text ? yaml(r.text->text) : std::string(); }},
    {"tags", [](R r) { return sequence(r.tags); }},
    {"mode", [](R r) { return r.mode ? word(kModes, *r.mode) : std::string(); }},
    {"enforce", [](R r) { return share(r.enforce_percent); }},
    {"protected", [](R r) { return boolean(r.is_protected); }},
    {"reply_at", [](R r) { return r.reply_at ? word(kReplyAts, *r.reply_at) : std::string(); }},
    {"on_unknown", [](R r) { return when_set(r.on_unknown, on_unknown); }},
    {"on_error", [](R r) { return r.on_error ? word(kOnErrors, *r.on_error) : std::string(); }},
    {"was", [](R r) { return r.was; }},
    {"description", [](R r) { return yaml(r.description); }},
}};

struct DefaultKey {
  std::string_view name;
  bool of_rules;  // a key that rules have too
  std::string (*render)(const FileSource&);
};
using F = const FileSource&;
constexpr std::array<DefaultKey, 6> kDefaultKeys{{
    {"mode", true, [](F f) { return word(kModes, f.mode); }},
    {"on_unknown", true, [](F f) { return on_unknown(f.on_unknown); }},
    {"on_error", true, [](F f) { return word(kOnErrors, f.on_error); }},
    {"reply_at", true, [](F f) { return word(kReplyAts, f.reply_at); }},
    {"reply_codes", false, [](F f) { return word(kReplyCodes, f.reply_codes); }},
    {"help", false, [](F f) { return yaml(f.help ? f.help->text : ""); }},
}};

class Printer {
 public:
  explicit Printer(const PolicySource& source) : source_(source) {}

  std::string print() {
    for (const FileSource& file : source_.files) print_file(file);
    if (source_.timezone) line("timezone: " + source_.timezone->text, source_.timezone->begin);
    section("lists:", source_.lists, &Printer::print_list);
    section("tables:", source_.tables, &Printer::print_table);
    section("dnsbl:", source_.dnsbls, &Printer::print_dnsbl);
    section("facts:", source_.facts, &Printer::print_fact);
    if (source_.recipients) print_recipients(*source_.recipients);
    section("let:", source_.lets, &Printer::print_let);
    section("rules:", source_.rules, &Printer::print_rule);
    return std::move(out_);
  }

 private:
  template <class T>
  void section(std::string_view title, const std::vector<T>& entries,
               void (Printer::*print_one)(const T&)) {
    if (entries.empty()) return;
    out_.append(title).append("\n");
    for (const T& entry : entries) (this->*print_one)(entry);
  }

  void line(const std::string& text, const SourceSpan& origin, std::string_view remark = "") {
    out_ += fmt::format("{:<{}} # {}:{}{}\n", text, kOriginColumn,
                        origin.file ? origin.file->name() : "?", origin.line, remark);
  }

  std::string full_name(std::size_t file, const std::string& name) const {
    return source_.files[file].prefix + name;
  }

  void print_file(const FileSource& file) {
    const auto place = [&file](std::string_view key) {
      const auto found = file.origin.find(key);
      return found == file.origin.end() ? SourceSpan{file.source, 1, 1, 1} : found->second;
    };
    line("policy: " + file.policy, place("policy"));
    if (!file.version.empty()) line("version: " + yaml(file.version), place("version"));
    for (const DefaultKey& key : kDefaultKeys)
      if (file.origin.contains(key.name))
        line(fmt::format("defaults.{}: {}", key.name, key.render(file)), place(key.name));
  }

  // Items as they stand, the first of them.
  static std::string item(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::Scalar) return yaml(node.scalar.text);
    return sequence(all(node.items, item));
  }

  template <class Range, class Render>
  static std::string cut(const Range& range, Render render) {
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(range.size(), kMaxShownItems); ++i)
      shown.push_back(render(range[i]));
    std::string text = fmt::format("{}", fmt::join(shown, ", "));
    return range.size() > kMaxShownItems
               ? fmt::format("{}, ... {} more", text, range.size() - kMaxShownItems)
               : text;
  }

  void print_list(const ListSource& list) {
    const auto types = all(list.types, [](const Scalar& s) { return s.text; });
    std::string text = "type: " + (list.is_pair    ? sequence(types)
                                   : types.empty() ? std::string("?")
                                                   : types[0]);
    if (list.dynamic) text += ", dynamic: true";
    if (!list.paths.empty())
      text += ", file: " + sequence(all(list.paths, [](const Scalar& s) { return s.text; }));
    if (!list.items.empty()) text += ", items: [" + cut(list.items, item) + ']';
    line(fmt::format("  {}: {{{}}}", full_name(list.file, list.name), text), list.span);
  }

  void print_table(const TableSource& table) {
    std::string text =
        fmt::format("key: {}, value: {}", table.key_type.text, table.value_type.text);
    if (table.path) text += ", file: " + table.path->text;
    const auto pair = [](const auto& entry) {
      return yaml(entry.first.text) + ": " + item(entry.second);
    };
    if (!table.items.empty()) text += ", items: {" + cut(table.items, pair) + '}';
    line(fmt::format("  {}: {{{}}}", full_name(table.file, table.name), text), table.span);
  }

  void print_dnsbl(const DnsblSource& list) {
    std::string text = fmt::format("zone: {}, of: {}", list.zone.text, list.of.text);
    if (list.hit) text += ", hit: " + list.hit->text;
    if (list.error) text += ", error: " + list.error->text;
    line(fmt::format("  {}: {{{}}}", list.name, text), list.span);
  }

  void print_fact(const DeclaredFactSource& fact) {
    const auto arguments = all(fact.args, [](const Scalar& s) { return s.text; });
    line(fmt::format("  {}: {{type: {}, args: {}}}", fact.name.text, yaml(fact.type.text),
                     sequence(arguments)),
         fact.name.begin);
  }

  void print_let(const LetSource& let) {
    line(fmt::format("  {}: {}", full_name(let.file, let.name),
                     yaml(render_expression(let.expression))),
         let.span);
  }

  void print_recipients(const RecipientsSource& r) {
    out_ += "recipients:\n";
    if (r.profile) line("  profile: " + yaml(render_expression(*r.profile)), r.profile->span);
    if (r.split) line("  split: " + r.split->text, r.split->begin);
    if (r.mixed) line("  mixed: " + r.mixed->text, r.mixed->begin);
    if (!r.order.empty())
      line("  order: " + sequence(all(r.order, [](const Scalar& s) { return s.text; })),
           r.order[0].begin);
  }

  void print_rule(const RuleSource& rule) {
    line(fmt::format("  - {}: {}", rule_kind_name(rule.kind), rule.name), rule.name_span);
    for (const RuleKey& key : kRuleKeys) {
      const auto origin = rule.origin.find(key.name);
      if (origin != rule.origin.end())
        line(fmt::format("    {}: {}", key.name, key.render(rule)), origin->second);
      else
        print_default(rule, key.name);
    }
  }

  // What the rule has from the `defaults` of its file.
  void print_default(const RuleSource& rule, std::string_view name) {
    const FileSource& file = source_.files[rule.file];
    const auto origin = file.origin.find(name);
    if (origin == file.origin.end()) return;
    for (const DefaultKey& key : kDefaultKeys)
      if (key.name == name && key.of_rules)
        line(fmt::format("    {}: {}", name, key.render(file)), origin->second, " (defaults)");
  }

  const PolicySource& source_;
  std::string out_;
};

}  // namespace

std::string render_action(const ActionSource& action) {
  std::string out = action_verb(action.kind);
  if (action.code != 0) out += fmt::format(" {}", action.code);
  if (action.status) out += ' ' + action.status->to_string();
  if (!action.name.empty()) out += ' ' + action.name + (action.text ? " =" : "");
  if (action.text) out += ' ' + template_text(action.text->text);
  if (action.value) out += ' ' + render_expression(*action.value);
  if (!action.list.empty())
    out += (action.kind == ActionSource::Kind::AddToList ? " to $" : " from $") + action.list;
  if (action.keep) out += " for " + render_duration(*action.keep);
  if (action.condition)
    out +=
        (action.condition_negated ? " unless " : " when ") + render_expression(*action.condition);
  if (action.kind != ActionSource::Kind::Delay) return out;
  out += ' ' + render_duration(action.delay) + (action.delay_each ? " each" : "");
  return action.delay_max ? out + " max " + render_duration(*action.delay_max) : out;
}

std::string render_source(const PolicySource& source) { return Printer(source).print(); }

}  // namespace sluice::policy
