#include "policy/declarations.h"

#include <algorithm>

#include "base/text.h"
#include "base/utf8.h"
#include "mail/domain.h"
#include "policy/list_loader.h"

namespace sluice::policy {
namespace {

struct DnsblSubject {
  std::string_view name;
  Dnsbl::Of of;
  mail::Stage stage;
  mail::Scope scope;
};
constexpr DnsblSubject kDnsblSubjects[] = {
    {"client.ip", Dnsbl::Of::ClientIp, mail::Stage::Connect, mail::Scope::Connection},
    {"helo.name", Dnsbl::Of::HeloName, mail::Stage::Helo, mail::Scope::Connection},
    {"sender.domain", Dnsbl::Of::SenderDomain, mail::Stage::Mail, mail::Scope::Transaction},
};
constexpr std::string_view kDefaultHit = "127.0.0.0-127.255.254.255";
constexpr std::string_view kDefaultError = "127.255.255.0/24";

using Ranges = std::vector<std::pair<IpAddress, IpAddress>>;

IpAddress last_of(const Network& network) {
  IpAddress::Bytes bytes = network.address().bytes();
  for (int bit = network.mapped_length(); bit < 128; ++bit)
    bytes[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
  return IpAddress::from_bytes(bytes);
}

// "127.0.0.2", "127.0.0.2-127.0.0.11", "127.255.255.0/24", several with commas.
std::optional<Ranges> parse_ranges(std::string_view text) {
  Ranges ranges;
  for (std::string_view part : split(text, ',')) {
    part = trim(part);
    const std::size_t dash = part.find('-');
    if (dash == std::string_view::npos) {
      const auto network = Network::parse(part);
      if (!network) return std::nullopt;
      ranges.emplace_back(network->address(), last_of(*network));
      continue;
    }
    const auto first = IpAddress::parse(trim(part.substr(0, dash)));
    const auto last = IpAddress::parse(trim(part.substr(dash + 1)));
    if (!first || !last || *last < *first) return std::nullopt;
    ranges.emplace_back(*first, *last);
  }
  return ranges;
}

// Lower case, no final dot; some lists have labels like _vouch. nullopt: no domain name.
std::optional<std::string> zone_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string plain = fold(text);
  const std::string zone = plain;
  std::replace(plain.begin(), plain.end(), '_', 'x');
  if (!is_ascii(plain) || !mail::is_fully_qualified(plain)) return std::nullopt;
  return zone;
}

// "enum(none, pass)": types that only tables have.
std::vector<std::string> enum_words(std::string_view text) {
  std::vector<std::string> words;
  text = trim(text);
  if (!text.starts_with("enum(") || !text.ends_with(')')) return words;
  text.remove_prefix(5);
  text.remove_suffix(1);
  for (const std::string_view word : split(text, ',')) words.emplace_back(trim(word));
  return words;
}

const std::vector<std::string_view>& type_names() {
  static const std::vector<std::string_view> names{
      "bool", "int",      "float", "text", "domain", "address", "ip",
      "cidr", "duration", "size",  "rate", "clock",  "datetime"};
  return names;
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string_view near = nearest(word, candidates);
  return near.empty() ? "" : "; did you mean `" + std::string(near) + "`?";
}

Declarations::Declarations(const PolicySource& source, const Vocabulary& vocabulary,
                           const CompileOptions& options, Code& code, Findings& findings)
    : source_(source),
      vocabulary_(vocabulary),
      options_(options),
      code_(code),
      findings_(findings) {
  for (std::size_t i = 0; i < source.files.size(); ++i) {
    files_.emplace(source.files[i].source.get(), i);
    if (source.files[i].source) read_files_.push_back(source.files[i].source->name());
  }
  declare_dnsbls();
  declare_facts();
  declare_lists();
  declare_tables();
  declare_lets();
}

std::size_t Declarations::file_of(const SourceSpan& span, std::size_t otherwise) const {
  const auto found = files_.find(span.file.get());
  return found == files_.end() ? otherwise : found->second;
}

std::string Declarations::full_name(std::size_t file, const std::string& name) const {
  const std::string& prefix = source_.files[file].prefix;
  return prefix.empty() || name.starts_with(prefix) ? name : prefix + name;
}

// ---- facts ----

void Declarations::declare_dnsbls() {
  for (const DnsblSource& written : source_.dnsbls) {
    const auto* subject =
        std::find_if(std::begin(kDnsblSubjects), std::end(kDnsblSubjects),
                     [&](const DnsblSubject& s) { return s.name == written.of.text; });
    if (subject == std::end(kDnsblSubjects)) {
      findings_.error(
          "E205", written.of.whole(),
          "`" + written.of.text + "` is not one of client.ip, helo.name, sender.domain");
      continue;
    }
    const auto zone = zone_name(written.zone.text);
    if (!zone)
      findings_.error(
          "E203", written.zone.whole(),
          "`" + written.zone.text + "` is not the zone of a DNS list (zen.example.org)");
    Dnsbl list{written.name, zone.value_or(""), subject->of, {}, {}};
    const auto read = [&](const std::optional<Scalar>& scalar, std::string_view otherwise,
                          Ranges& ranges) {
      auto parsed = parse_ranges(scalar ? std::string_view(scalar->text) : otherwise);
      if (!parsed)
        findings_.error(
            "E203", scalar->whole(),
            "`" + scalar->text + "` is not a range of addresses (127.0.0.2-127.0.0.11)");
      else
        ranges = std::move(*parsed);
    };
    read(written.hit, kDefaultHit, list.hit);
    read(written.error, kDefaultError, list.error);
    FactSignature& fact = signatures_.emplace_back();
    fact.name = "dnsbl." + written.name;
    fact.available_from = subject->stage;
    fact.scope = subject->scope;
    fact.cost = "1 DNS look-up";
    facts_[fact.name] = {&fact, UsedFact::Origin::Dnsbl,
                         static_cast<std::uint32_t>(dnsbls_.size())};
    dnsbls_.push_back(std::move(list));
  }
}

void Declarations::declare_facts() {
  for (const DeclaredFactSource& declared : source_.facts) declare_fact(declared);
}

void Declarations::declare_fact(const DeclaredFactSource& declared) {
  const auto type = parse_type(declared.type.text);
  if (!type) {
    findings_.error("E205", declared.type.whole(),
                    "`" + declared.type.text + "` is not a type" +
                        did_you_mean(declared.type.text, type_names()));
    return;
  }
  FactSignature fact;
  fact.name = declared.name.text;
  fact.type = *type;
  fact.cost = "an outside service";
  for (const Scalar& name : declared.args) {
    const auto argument = this->fact(name.text);
    if (!argument) {
      findings_.error(
          "E202", name.whole(),
          "unknown fact `" + name.text + "`" + did_you_mean(name.text, names_at(declared.file)));
      continue;
    }
    fact.available_from = std::max(fact.available_from, argument->signature->available_from);
    fact.scope = std::max(fact.scope, argument->signature->scope);
    fact.needs_body = fact.needs_body || argument->signature->needs_body;
    fact.keeps_body = fact.keeps_body || argument->signature->keeps_body;
    fact.needs_headers = fact.needs_headers || argument->signature->needs_headers;
    fact.arguments.push_back(name.text);
  }
  agree_with_others(fact, declared);
  const bool answered =
      std::any_of(options_.service_facts.begin(), options_.service_facts.end(),
                  [&](const FactSignature& other) { return other.name == fact.name; });
  if (vocabulary_.find(fact.name) && !answered) return;  // the built-in one serves
  facts_[fact.name] = {&signatures_.emplace_back(fact), UsedFact::Origin::Declared, 0};
}

void Declarations::agree_with_others(const FactSignature& fact,
                                     const DeclaredFactSource& declared) {
  const auto compare = [&](const FactSignature& other, std::string_view where) {
    if (other.type == fact.type) return;
    findings_.error("E203", declared.type.whole(),
                    "`" + fact.name + "` is " + type_name(fact.type) + " here and " +
                        type_name(other.type) + " " + std::string(where));
  };
  for (const FactSignature& other : options_.service_facts)
    if (other.name == fact.name) compare(other, "in the service configuration");
  const FactSignature* built_in = vocabulary_.find(fact.name);
  if (!built_in) return;
  compare(*built_in, "as built in");
  if (built_in->available_from != fact.available_from)
    findings_.error("E301", declared.name.whole(),
                    "`" + fact.name + "` is known from stage " +
                        std::string(mail::stage_name(fact.available_from)) +
                        " by its arguments, as built in from stage " +
                        std::string(mail::stage_name(built_in->available_from)));
}

std::optional<FoundFact> Declarations::fact(std::string_view name) const {
  if (const auto found = facts_.find(name); found != facts_.end()) return found->second;
  if (const FactSignature* built_in = vocabulary_.find(name))
    return FoundFact{built_in, UsedFact::Origin::BuiltIn, 0};
  return std::nullopt;
}

// ---- lets ----

void Declarations::declare_lets() {
  std::vector<std::string_view> words;
  for (const FactSignature& fact : vocabulary_.all())
    if (fact.type.words)
      words.insert(words.end(), fact.type.words->words.begin(), fact.type.words->words.end());
  for (const LetSource& let : source_.lets) {
    const bool keyword = std::find(kKeywords.begin(), kKeywords.end(), let.name) != kKeywords.end();
    if (fact(let.name))
      findings_.error("E104", let.span, "`" + let.name + "` is the name of a fact");
    else if (keyword)
      findings_.error("E104", let.span, "`" + let.name + "` is a word of the language");
    else if (std::find(words.begin(), words.end(), let.name) != words.end())
      findings_.error("E104", let.span, "`" + let.name + "` is a value that facts have");
    else
      lets_.emplace(Key(let.file, let.name), &let);
  }
  for (const LetSource& let : source_.lets) {
    std::vector<const LetSource*> open{&let};
    const std::size_t size = let_size(let.expression, let.file, open);
    if (size <= kMaxExpressionNodes) continue;
    if (size != SIZE_MAX)
      findings_.error("E201", let.span, "let `" + let.name + "` is too large when written out");
    else if (circle_ == &let)
      findings_.error("E201", let.span, "let `" + let.name + "` refers to itself");
    refused_lets_.emplace(let.file, let.name);
  }
  for (const Key& key : refused_lets_) lets_.erase(key);
}

// Nodes of an expression with its lets written out; SIZE_MAX when one of them leads back to an open
// one.
std::size_t Declarations::let_size(const Node& node, std::size_t file,
                                   std::vector<const LetSource*>& open) {
  const LetSource* used = node.kind == Node::Kind::Name ? let(file, node.text) : nullptr;
  if (used) {
    if (std::find(open.begin(), open.end(), used) != open.end()) {
      circle_ = used;
      return SIZE_MAX;
    }
    if (const auto known = let_sizes_.find(used); known != let_sizes_.end()) return known->second;
    open.push_back(used);
    const std::size_t size = let_size(used->expression, used->file, open);
    open.pop_back();
    if (size != SIZE_MAX) let_sizes_[used] = size;
    return size;
  }
  std::size_t total = 1;
  for (const Node& child : node.children) {
    const std::size_t size = let_size(child, file, open);
    if (size == SIZE_MAX) return size;
    total = std::min(total + size, kMaxExpressionNodes * 2);
  }
  return total;
}

const LetSource* Declarations::let(std::size_t file, std::string_view name) const {
  const auto found = lets_.find(Key(file, std::string(name)));
  return found == lets_.end() ? nullptr : found->second;
}

Node Declarations::expanded(const Node& node, std::size_t file) const {
  const LetSource* used = node.kind == Node::Kind::Name ? let(file, node.text) : nullptr;
  if (used) return expanded(used->expression, used->file);
  Node copy = node;
  for (Node& child : copy.children) child = expanded(child, file);
  return copy;
}

// ---- lists and tables ----

void Declarations::declare_lists() {
  for (const ListSource& written : source_.lists) {
    DeclaredList& list = lists_.emplace_back();
    list.source = &written;
    list.full_name = full_name(written.file, written.name);
    own_lists_.emplace(Key(written.file, written.name), &list);
    all_lists_.emplace(list.full_name, &list);
    for (const Scalar& text : written.types) {
      const auto type = parse_type(text.text);
      const bool fits = type && !type->optional &&
                        (type->kind == Kind::Cidr || type->kind == Kind::Int ||
                         type->kind == Kind::Ip || is_text_like(type->kind));
      if (!fits)
        findings_.error("E205", text.whole(),
                        "`" + text.text + "` is not one of cidr, domain, address, text, int");
      else
        list.types.push_back(type->kind);
    }
    if (list.types.size() != written.types.size() || list.types.empty()) {
      list.types.clear();
      continue;
    }
    if (written.dynamic) {
      list.dynamic = static_cast<ListId>(dynamic_lists_.size());
      dynamic_lists_.push_back({list.full_name, Type::of(list.types.front())});
      code_.dynamic_names.push_back("$" + list.full_name);
    } else {
      list.content =
          load_list(written, list.types,
                    {options_.fold_local_part, options_.pool.get(), &read_files_}, findings_);
    }
  }
}

void Declarations::declare_tables() {
  for (const TableSource& written : source_.tables) {
    DeclaredTable& table = tables_.emplace_back();
    table.source = &written;
    table.full_name = full_name(written.file, written.name);
    own_tables_.emplace(Key(written.file, written.name), &table);
    all_tables_.emplace(table.full_name, &table);
    const auto key = parse_type(written.key_type.text);
    auto value = parse_type(written.value_type.text);
    if (auto words = enum_words(written.value_type.text); !value && !words.empty()) {
      const auto& kept = code_.words.emplace_back(std::move(words));
      code_.enums.push_back({"enum", {kept.begin(), kept.end()}});
      value = Type::of(Kind::Enum);
      value->words = &code_.enums.back();
    }
    if (!key || key->kind == Kind::List || key->optional)
      findings_.error("E205", written.key_type.whole(),
                      "`" + written.key_type.text + "` is not a type of keys" +
                          did_you_mean(written.key_type.text, type_names()));
    if (!value || value->optional)
      findings_.error("E205", written.value_type.whole(),
                      "`" + written.value_type.text + "` is not a type of values" +
                          did_you_mean(written.value_type.text, type_names()));
    if (!key || !value) continue;
    table.key = key->kind;
    table.value = *value;
    table.content =
        load_table(written, table.key, table.value,
                   {options_.fold_local_part, options_.pool.get(), &read_files_}, findings_);
  }
}

template <class T>
const T* Declarations::find(const std::map<Key, const T*>& own,
                            const std::map<std::string, const T*>& all, std::size_t file,
                            std::string_view name) const {
  const T* found = nullptr;
  if (const auto at = own.find(Key(file, std::string(name))); at != own.end()) {
    found = at->second;
  } else if (name.find('/') != std::string_view::npos) {
    auto whole = all.find(std::string(name));
    if (whole == all.end()) whole = all.find(source_.files[file].prefix + std::string(name));
    if (whole != all.end()) found = whole->second;
  }
  if (found) found->used = true;
  return found;
}

const DeclaredList* Declarations::list(std::size_t file, std::string_view name) const {
  return find(own_lists_, all_lists_, file, name);
}
const DeclaredTable* Declarations::table(std::size_t file, std::string_view name) const {
  return find(own_tables_, all_tables_, file, name);
}

std::vector<std::string_view> Declarations::names_at(std::size_t file) const {
  std::vector<std::string_view> names;
  for (const FactSignature& fact : vocabulary_.all()) names.push_back(fact.name);
  for (const auto& [name, fact] : facts_) names.push_back(name);
  for (const auto& [key, let] : lets_)
    if (key.first == file) names.push_back(key.second);
  return names;
}

namespace {
template <class Own, class All>
std::vector<std::string_view> names_of(const Own& own, const All& all, std::size_t file) {
  std::vector<std::string_view> names;
  for (const auto& [key, item] : own)
    if (key.first == file) names.push_back(key.second);
  for (const auto& [name, item] : all)
    if (name.find('/') != std::string::npos) names.push_back(name);
  return names;
}
}  // namespace

std::vector<std::string_view> Declarations::list_names_at(std::size_t file) const {
  return names_of(own_lists_, all_lists_, file);
}
std::vector<std::string_view> Declarations::table_names_at(std::size_t file) const {
  return names_of(own_tables_, all_tables_, file);
}

}  // namespace sluice::policy
