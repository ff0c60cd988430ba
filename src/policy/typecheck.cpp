#include "policy/typecheck.h"

#include <algorithm>

namespace sluice::policy {

void TypeChecker::error(std::string code, const SourceSpan& span, std::string message) {
  c_.findings.error(std::move(code), span, std::move(message));
}

TypeChecker::Result TypeChecker::wrong_type(const Node& node, const Typed& typed,
                                            std::string_view expected) {
  error("E203", node.span,
        "`" + render_expression(node) + "` is " + type_name(typed.type) + ", expected " +
            std::string(expected));
  return std::nullopt;
}

Typed TypeChecker::make(Op op, const Node& node, Type type, std::vector<Typed> children) const {
  Typed typed;
  typed.node.op = op;
  typed.type = type;
  typed.children = std::move(children);
  typed.span = node.span;
  return typed;
}

std::optional<Typed> TypeChecker::condition(const Node& node) {
  auto typed = check(node, nullptr);
  if (!typed || typed->type.kind == Kind::Bool) return typed;
  return wrong_type(node, *typed, "a condition (bool): compare it with something");
}

std::optional<Typed> TypeChecker::value(const Node& node, const Type* hint) {
  return check(node, hint);
}

std::optional<Typed> TypeChecker::value_of(const Node& node, const std::vector<Kind>& kinds,
                                           std::string_view what) {
  const Type hint = Type::of(kinds.front());
  auto typed = check(node, &hint);
  if (!typed || std::find(kinds.begin(), kinds.end(), typed->type.kind) != kinds.end())
    return typed;
  std::string expected;
  for (const Kind kind : kinds)
    expected.append(expected.empty() ? "" : " or ").append(kind_name(kind));
  return wrong_type(node, *typed, expected + " for `" + std::string(what) + "`");
}

std::optional<Typed> TypeChecker::check(const Node& node, const Type* hint) {
  switch (node.kind) {
    case Node::Kind::Literal:
      return literal(node, hint);
    case Node::Kind::Name:
      return name(node, hint);
    case Node::Kind::List:
      return list_name(node);
    case Node::Kind::Lookup:
      return lookup(node);
    case Node::Kind::Items:
      return items(node, hint);
    case Node::Kind::Quantifier:
      return quantifier(node);
    case Node::Kind::Call:
      return call(node, hint);
    case Node::Kind::And:
    case Node::Kind::Or:
      return chain(node);
    case Node::Kind::Not:
      return negation(node);
    case Node::Kind::Compare:
      return comparison(node);
    case Node::Kind::Matches:
      return pattern(node);
    case Node::Kind::In:
      return membership(node);
    case Node::Kind::InRange:
      return range(node);
    case Node::Kind::Under:
      return under(node);
    case Node::Kind::Contains:
    case Node::Kind::StartsWith:
    case Node::Kind::EndsWith:
      return text_test(node);
    case Node::Kind::Is:
      return state(node);
    case Node::Kind::Else:
      return otherwise(node, hint);
  }
  return std::nullopt;
}

// ---- names ----

// The quantifier that gives `name` its meaning; `field` is what stands behind the dot.
const TypeChecker::Frame* TypeChecker::frame_of(std::string_view name,
                                                std::string_view& field) const {
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    if (frame->recipients) continue;
    if (!frame->record) {
      if (name == "item") return &*frame;
      continue;
    }
    const std::string_view prefix = frame->record->prefix;
    if (name.size() > prefix.size() && name.starts_with(prefix) && name[prefix.size()] == '.') {
      field = name.substr(prefix.size() + 1);
      return &*frame;
    }
  }
  return nullptr;
}

// A word that means nothing by itself: an enum's value, if what stands beside it is an enum.
bool TypeChecker::is_bare_word(const Node& node) const {
  std::string_view field;
  return node.kind == Node::Kind::Name && !frame_of(node.text, field) &&
         !c_.names.fact(node.text) && !c_.names.let(file_, node.text);
}

TypeChecker::Result TypeChecker::name(const Node& node, const Type* hint) {
  std::string_view field;
  if (frame_of(node.text, field)) return element(node);
  if (const auto found = c_.names.fact(node.text)) return fact(node, *found);
  if (const LetSource* found = c_.names.let(file_, node.text)) return let(node, *found, hint);
  if (hint && hint->kind == Kind::Enum) return word(node, *hint);
  return unknown_name(node);
}

TypeChecker::Result TypeChecker::element(const Node& node) {
  std::string_view field;
  const Frame& frame = *frame_of(node.text, field);
  Typed typed = make(frame.record ? Op::Field : Op::Item, node, frame.item, {});
  typed.node.a = frame.nesting;
  typed.name = frame.collection;
  if (frame.record) {
    const auto& fields = frame.record->fields;
    const auto at =
        std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == field; });
    if (at == fields.end()) {
      std::vector<std::string> names;
      for (const auto& f : fields)
        names.push_back(std::string(frame.record->prefix) + "." + std::string(f.name));
      error("E202", node.span,
            "unknown fact `" + node.text + "`" +
                did_you_mean(node.text, {names.begin(), names.end()}));
      return std::nullopt;
    }
    typed.node.b = static_cast<std::uint32_t>(at - fields.begin());
    typed.type = at->type;
  }
  if (narrowing_.is_set(node, file_, c_.names)) typed.type.optional = false;
  return typed;
}

TypeChecker::Result TypeChecker::fact(const Node& node, const FoundFact& found) {
  const FactSignature& signature = *found.signature;
  if (!check_stage(node, signature)) return std::nullopt;
  Typed typed = make(Op::Fact, node, signature.type, {});
  typed.node.a = c_.use(found, place_.stage);
  c_.first_places.emplace(static_cast<FactIndex>(typed.node.a), node.span);
  typed.node.flag = signature.scope == mail::Scope::Recipient;
  if (typed.type.optional && narrowing_.is_set(node, file_, c_.names)) typed.type.optional = false;
  return typed;
}

bool TypeChecker::check_stage(const Node& node, const FactSignature& fact) {
  if (!place_.stage) return true;
  // Inside a let the place that has to change is the rule that uses it.
  const Node& shown = lets_.empty() ? node : *lets_.front();
  const std::string named =
      "`" + node.text + "`" + (lets_.empty() ? "" : " (in `" + shown.text + "`)");
  const std::string stage(mail::stage_name(*place_.stage));
  const std::string from(mail::stage_name(fact.available_from));
  if (!mail::is_known_at(fact.available_from, *place_.stage)) {
    const bool only = fact.available_from == mail::Stage::Command;
    error(
        place_.text ? "E405" : "E301", shown.span,
        named +
            (only ? " is known at stage " + from + " only" : " is not known before stage " + from) +
            "; this rule runs at " + stage);
    return false;
  }
  const bool inside =
      std::any_of(frames_.begin(), frames_.end(), [](const Frame& f) { return f.recipients; });
  if (fact.scope != mail::Scope::Recipient || place_.recipient || inside) return true;
  error(place_.text ? "E405" : "E302", shown.span,
        named + " belongs to one recipient; at " + stage + " write `any(rcpts, ...)`");
  return false;
}

TypeChecker::Result TypeChecker::let(const Node& node, const LetSource& found, const Type* hint) {
  lets_.push_back(&node);
  const std::size_t outside = std::exchange(file_, found.file);
  Result typed = check(found.expression, hint);
  file_ = outside;
  lets_.pop_back();
  if (typed && narrowing_.is_set(node, file_, c_.names)) typed->type.optional = false;
  return typed;
}

TypeChecker::Result TypeChecker::unknown_name(const Node& node) {
  if (c_.names.is_refused_let(file_, node.text)) return std::nullopt;
  const std::size_t dot = node.text.find('.');
  const std::string_view prefix = std::string_view(node.text).substr(0, dot);
  std::vector<const FactSignature*> lists;
  for (const FactSignature& fact : c_.vocabulary.all())
    if (dot != std::string::npos && fact.type.record && fact.type.record->prefix == prefix)
      lists.push_back(&fact);
  if (node.text == "none") {
    error("E202", node.span, "`none` is no value here: write `is none` or `is set`");
  } else if (node.text == "item") {
    error("E202", node.span,
          "`item` is an element: it stands inside any(...), all(...) or count(...) of a list");
  } else if (!lists.empty()) {
    error("E202", node.span,
          "`" + node.text + "` belongs to an element: write any(" + lists.front()->name + ", ...)");
  } else {
    auto candidates = c_.names.names_at(file_);
    error("E202", node.span,
          "unknown fact `" + node.text + "`" + did_you_mean(node.text, candidates));
  }
  return std::nullopt;
}

// ---- logic ----

// In `and` each part may rely on the others being true, in `or` on their being false.
TypeChecker::Result TypeChecker::chain(const Node& node) {
  const bool is_and = node.kind == Node::Kind::And;
  const Narrowing outside = narrowing_;
  for (const Node& child : node.children) narrowing_.assume(child, is_and, file_, c_.names);
  Typed typed = make(is_and ? Op::And : Op::Or, node, Type::of(Kind::Bool), {});
  bool good = true;
  for (const Node& child : node.children) {
    auto part = condition(child);
    good = good && part;
    if (part) typed.children.push_back(std::move(*part));
  }
  narrowing_ = outside;
  return good ? Result(std::move(typed)) : std::nullopt;
}

TypeChecker::Result TypeChecker::negation(const Node& node) {
  auto part = condition(node.children[0]);
  if (!part) return std::nullopt;
  return make(Op::Not, node, Type::of(Kind::Bool), {std::move(*part)});
}

TypeChecker::Result TypeChecker::state(const Node& node) {
  if (node.text == "hit") return hit(node);
  const Node& subject = node.children[0];
  const bool about_value = node.text == "set" || node.text == "none";
  // `x is set` itself is no reason to hold x for certain.
  const Narrowing outside = narrowing_;
  if (about_value) narrowing_ = {};
  auto typed = check(subject, nullptr);
  narrowing_ = outside;
  if (!typed) return std::nullopt;
  if (about_value && !typed->type.optional && typed->type.kind == Kind::Enum) {
    const auto& words = typed->type.words->words;
    if (std::find(words.begin(), words.end(), "none") != words.end()) {
      const bool equal = (node.text == "none") != node.negated;
      error("E205", node.span,
            "`none` is a value of `" + render_expression(subject) + "`: write `" +
                (equal ? "== none" : "!= none") + "`");
      return std::nullopt;
    }
  }
  Typed result =
      make(about_value ? Op::IsSet : Op::IsKnown, node, Type::of(Kind::Bool), {std::move(*typed)});
  result.node.flag = (node.text == "none" || node.text == "unknown") != node.negated;
  return result;
}

TypeChecker::Result TypeChecker::hit(const Node& node) {
  const Node& subject = node.children[0];
  const auto found = subject.kind == Node::Kind::Name ? c_.names.fact(subject.text) : std::nullopt;
  auto typed = check(subject, nullptr);
  if (!typed) return std::nullopt;
  if (!found || found->origin != UsedFact::Origin::Dnsbl)
    return wrong_type(subject, *typed, "a DNS list (dnsbl.NAME)");
  if (!node.negated) return typed;
  return make(Op::Not, node, Type::of(Kind::Bool), {std::move(*typed)});
}

}  // namespace sluice::policy
