// Literals, look-ups, calls and quantifiers.
#include <algorithm>

#include "policy/list_loader.h"
#include "policy/typecheck.h"

namespace sluice::policy {
namespace {

constexpr std::string_view kNow = "time.now";

std::string words_text(const EnumWords& words) {
  std::string text;
  for (const std::string_view word : words.words)
    text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

Typed constant(const Node& node, Type type, Value value) {
  Typed typed;
  typed.type = type;
  typed.constant = std::move(value);
  typed.span = node.span;
  return typed;
}

}  // namespace

TypeChecker::Result TypeChecker::literal(const Node& node, const Type* hint) {
  if (node.literal_kind == Kind::Text && hint) return text_literal(node, *hint);
  return constant(node, Type::of(node.literal_kind), node.value);
}

// A quoted text is what stands beside it: a domain, an address, a network.
TypeChecker::Result TypeChecker::text_literal(const Node& node, const Type& hint) {
  const std::string& text = node.value.get<std::string>();
  const auto as = [&](Kind kind) -> Result {
    auto value = parse_value(text, kind);
    if (!value) return std::nullopt;
    return constant(node, Type::of(kind), std::move(*value));
  };
  const auto refuse = [&](Kind kind) -> Result {
    error("E203", node.span, "`" + text + "` is not " + std::string(kind_description(kind)));
    return std::nullopt;
  };
  switch (hint.kind) {
    case Kind::Enum:
      return word(node, hint);
    case Kind::Domain:
      if (auto domain = as(Kind::Domain)) return domain;
      return refuse(Kind::Domain);
    case Kind::Address:
      if (auto address = as(Kind::Address)) return address;
      return constant(node, Type::of(Kind::Text),
                      node.value);  // "postmaster", or what no valid address is
    case Kind::Ip:
      if (auto ip = as(Kind::Ip)) return ip;
      if (auto network = as(Kind::Cidr)) return network;
      return refuse(Kind::Ip);
    case Kind::Cidr:
      if (auto network = as(Kind::Cidr)) return network;
      return refuse(Kind::Cidr);
    default:
      return constant(node, Type::of(Kind::Text), node.value);
  }
}

// A word of an enum, bare or in quotes.
TypeChecker::Result TypeChecker::word(const Node& node, const Type& hint) {
  const std::string& text =
      node.kind == Node::Kind::Name ? node.text : node.value.get<std::string>();
  const auto& words = hint.words->words;
  if (std::find(words.begin(), words.end(), text) != words.end())
    return constant(node, hint.required(), Value(text));
  const bool dns_failure = text == "temperror" || text == "unknown";
  std::string advice = did_you_mean(text, words);
  if (dns_failure && hinted_by_)
    advice = " (a DNS failure is `" + render_expression(*hinted_by_) + " is unknown`)";
  error("E205", node.span, "`" + text + "` is not one of " + words_text(*hint.words) + advice);
  return std::nullopt;
}

TypeChecker::Result TypeChecker::list_name(const Node& node) {
  if (c_.names.table(file_, node.text)) {
    error("E203", node.span, "`$" + node.text + "` is a table: write `$" + node.text + "[key]`");
  } else if (c_.names.list(file_, node.text)) {
    error("E203", node.span, "`$" + node.text + "` is a list: write `... in $" + node.text + "`");
  } else {
    error("E204", node.span,
          "unknown list `$" + node.text + "`" +
              did_you_mean(node.text, c_.names.list_names_at(file_)));
  }
  return std::nullopt;
}

TypeChecker::Result TypeChecker::lookup(const Node& node) {
  const DeclaredTable* table = c_.names.table(file_, node.text);
  if (!table) {
    const bool list = c_.names.list(file_, node.text);
    error("E204", node.span,
          list ? "`$" + node.text + "` is a list: write `... in $" + node.text + "`"
               : "unknown table `$" + node.text + "`" +
                     did_you_mean(node.text, c_.names.table_names_at(file_)));
    return std::nullopt;
  }
  const Type key_type = Type::of(table->key);
  auto key = check(node.children[0], &key_type);
  if (!key) return std::nullopt;
  const bool in_network =
      table->key == Kind::Cidr && (key->type.kind == Kind::Ip || key->type.kind == Kind::Cidr);
  if (!in_network && !are_comparable(key->type, key_type)) {
    error("E203", node.children[0].span,
          "keys of `$" + node.text + "` are " + std::string(kind_name(table->key)) + ", `" +
              render_expression(node.children[0]) + "` is " + type_name(key->type));
    return std::nullopt;
  }
  const Matching matching = matching_of(key->type.kind, table->key);
  Type type = table->value;
  type.optional = !narrowing_.is_set(node, file_, c_.names);
  Typed typed = make(Op::Lookup, node, type, {std::move(*key)});
  typed.node.matching = matching;
  if (table->content) typed.node.a = c_.use(table->content);
  return typed;
}

TypeChecker::Result TypeChecker::items(const Node& node, const Type* hint) {
  Typed typed = make(Op::ListOf, node, Type::list_of(Kind::Text), {});
  typed.empty_list = node.children.empty();
  Type element;
  if (hint) element = Type::of(hint->kind == Kind::List ? hint->element : hint->kind);
  if (hint) element.words = hint->words;
  for (const Node& child : node.children) {
    auto item = check(child, hint ? &element : nullptr);
    if (!item) return std::nullopt;
    if (typed.children.empty()) {
      typed.type.element = item->type.kind;
      typed.type.words = item->type.words;
    } else if (item->type.kind != typed.type.element) {
      error("E203", child.span,
            "a list has one type: " + type_name(item->type) + " stands beside " +
                std::string(kind_name(typed.type.element)));
      return std::nullopt;
    }
    typed.children.push_back(std::move(*item));
  }
  return typed;
}

// Gives `into` the type that can hold `other` too.
bool TypeChecker::unify(const Node& node, Typed& into, const Typed& other) {
  Type& a = into.type;
  const Type& b = other.type;
  if (into.empty_list && b.kind == Kind::List) {
    a = b;
    into.empty_list = other.empty_list;
    return true;
  }
  if (a.kind == Kind::List && b.kind == Kind::List && (other.empty_list || a.element == b.element))
    return true;
  if (a.kind == Kind::List && b.kind == Kind::List && is_text_like(a.element) &&
      is_text_like(b.element)) {
    a.element = Kind::Text;
    return true;
  }
  if (a.kind == b.kind && a.kind != Kind::List) return true;
  const auto is_text = [](const Type& t) { return is_text_like(t.kind) || t.kind == Kind::Enum; };
  if ((is_text(a) && is_text(b)) || (is_numeric(a.kind) && is_numeric(b.kind))) {
    a.kind = is_text(a) ? Kind::Text : Kind::Float;
    a.words = nullptr;
    return true;
  }
  error("E203", node.op_span,
        type_name(a) + " and " + type_name(b) + " cannot stand for each other");
  return false;
}

TypeChecker::Result TypeChecker::otherwise(const Node& node, const Type* hint) {
  Typed typed = make(Op::Else, node, {}, {});
  Type expected;
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const Node& child = node.children[i];
    const bool words = i > 0 && expected.kind == Kind::Enum;
    auto part = check(child, words ? &expected : i == 0 ? hint : nullptr);
    if (!part) return std::nullopt;
    if (i == 0) {
      typed.type = expected = part->type;
      typed.empty_list = part->empty_list;
    } else if (!check_units(node.children[0], typed.type, child, part->type) ||
               !unify(node, typed, *part)) {
      return std::nullopt;
    }
    typed.type.optional = part->type.optional;
    typed.children.push_back(std::move(*part));
  }
  return typed;
}

// ---- calls ----

TypeChecker::Result TypeChecker::call(const Node& node, const Type* hint) {
  if (node.text == "known_or") return call_known_or(node, hint);
  struct Form {
    std::string_view name;
    Result (TypeChecker::*check)(const Node&);
  };
  constexpr Form kForms[] = {{"seen", &TypeChecker::call_seen},
                             {"header", &TypeChecker::call_header},
                             {"strip_tag", &TypeChecker::call_strip_tag},
                             {"len", &TypeChecker::call_len},
                             {"age", &TypeChecker::call_age}};
  for (const Form& form : kForms)
    if (form.name == node.text) return (this->*form.check)(node);
  error("E201", node.op_span, "unknown function `" + node.text + "`");
  return std::nullopt;
}

TypeChecker::Result TypeChecker::call_seen(const Node& node) {
  std::vector<Typed> parts;
  const Node& what = node.children[0];
  const bool several = what.kind == Node::Kind::Items;
  for (std::size_t i = 0; i < (several ? what.children.size() : 1); ++i) {
    const Node& written = several ? what.children[i] : what;
    auto part = check(written, nullptr);
    if (!part) return std::nullopt;
    if (part->type.kind == Kind::List || part->type.kind == Kind::Record)
      return wrong_type(written, *part, "a single value");
    parts.push_back(std::move(*part));
  }
  auto within = check(node.children[1], nullptr);
  if (!within) return std::nullopt;
  if (within->type.kind != Kind::Duration || !within->is_constant() || parts.empty())
    return wrong_type(node.children[1], *within, "a duration as `30d`");
  parts.push_back(std::move(*within));
  Typed typed = make(Op::Seen, node, Type::of(Kind::Bool), std::move(parts));
  typed.name = render_expression(c_.names.expanded(what, file_));
  return typed;
}

TypeChecker::Result TypeChecker::call_header(const Node& node) {
  const Node& name = node.children[0];
  if (name.kind != Node::Kind::Literal || name.literal_kind != Kind::Text) {
    error("E203", name.span, "header(...) takes the name of a header in quotes");
    return std::nullopt;
  }
  FactSignature headers;
  headers.available_from = mail::Stage::Headers;
  headers.scope = mail::Scope::Transaction;
  Node shown = node;
  shown.text = render_expression(node);
  if (!check_stage(shown, headers)) return std::nullopt;
  const bool set = narrowing_.is_set(node, file_, c_.names);
  Typed typed = make(Op::Header, node, Type::of(Kind::Text, !set), {});
  typed.name = name.value.get<std::string>();
  c_.needs_headers = true;
  return typed;
}

TypeChecker::Result TypeChecker::call_strip_tag(const Node& node) {
  const Type hint = Type::of(Kind::Address);
  auto address = check(node.children[0], &hint);
  if (!address) return std::nullopt;
  if (!is_text_like(address->type.kind) || address->type.kind == Kind::Domain)
    return wrong_type(node.children[0], *address, "an address");
  Type type = address->type;
  if (narrowing_.is_set(node, file_, c_.names)) type.optional = false;
  return make(Op::StripTag, node, type, {std::move(*address)});
}

TypeChecker::Result TypeChecker::call_known_or(const Node& node, const Type* hint) {
  auto first = check(node.children[0], hint);
  if (!first) return std::nullopt;
  auto second = check(node.children[1], first->type.kind == Kind::Enum ? &first->type : nullptr);
  if (!second || !check_units(node.children[0], first->type, node.children[1], second->type))
    return std::nullopt;
  Typed typed = make(Op::KnownOr, node, first->type, {});
  typed.empty_list = first->empty_list;
  if (!unify(node, typed, *second)) return std::nullopt;
  typed.type.optional = second->type.optional;
  typed.children.push_back(std::move(*first));
  typed.children.push_back(std::move(*second));
  return typed;
}

TypeChecker::Result TypeChecker::call_len(const Node& node) {
  auto subject = check(node.children[0], nullptr);
  if (!subject) return std::nullopt;
  if (!is_text_like(subject->type.kind) && subject->type.kind != Kind::List)
    return wrong_type(node.children[0], *subject, "a text or a list");
  return make(Op::Len, node, Type::of(Kind::Int, subject->type.optional), {std::move(*subject)});
}

TypeChecker::Result TypeChecker::call_age(const Node& node) {
  auto since = check(node.children[0], nullptr);
  const auto now = c_.names.fact(kNow);
  if (!since || !now) return std::nullopt;
  if (since->type.kind != Kind::Datetime)
    return wrong_type(node.children[0], *since, "a date and time");
  c_.code.now = c_.use(*now, place_.stage);
  return make(Op::Age, node, Type::of(Kind::Duration, since->type.optional), {std::move(*since)});
}

// ---- quantifiers ----

TypeChecker::Result TypeChecker::quantifier(const Node& node) {
  auto collection = check(node.children[0], nullptr);
  if (!collection) return std::nullopt;
  if (collection->type.kind != Kind::List)
    return wrong_type(node.children[0], *collection, "a list");
  Frame frame;
  frame.record = collection->type.record;
  frame.item = Type::of(collection->type.element);
  frame.item.words = collection->type.words;
  frame.nesting = nesting_;
  frame.collection = node.children[0].text;
  frame.recipients = frame.record && frame.record->prefix == "rcpt";
  if (!frame.recipients && nesting_ >= kMaxNesting) {
    error("E201", node.span, "quantifiers nested deeper than " + std::to_string(kMaxNesting));
    return std::nullopt;
  }
  frames_.push_back(frame);
  nesting_ += frame.recipients ? 0 : 1;
  auto body = condition(node.children[1]);
  nesting_ = frame.nesting;
  frames_.pop_back();
  if (!body) return std::nullopt;
  const bool counts = node.text == "count";
  Typed typed = make(counts               ? Op::Count
                     : node.text == "any" ? Op::Any
                                          : Op::All,
                     node, Type::of(counts ? Kind::Int : Kind::Bool), {std::move(*body)});
  typed.node.flag = frame.recipients;
  typed.node.b = frame.nesting;
  if (!frame.recipients) typed.children.push_back(std::move(*collection));
  return typed;
}

}  // namespace sluice::policy
