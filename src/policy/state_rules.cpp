// Limits, greylists, scores, exemptions and recipient profiles: what RuleCompiler makes of their
// own keys.
#include <algorithm>

#include "base/text.h"
#include "policy/rule_compiler.h"

namespace sluice::policy {
namespace {

struct CountName {
  std::string_view name;
  CountOf count;
};
constexpr CountName kCounts[] = {{"messages", CountOf::Messages},
                                 {"recipients", CountOf::Recipients},
                                 {"bytes", CountOf::Bytes},
                                 {"connections", CountOf::Connections},
                                 {"failures", CountOf::Failures}};

Node named(std::string_view fact, const SourceSpan& span) {
  Node node;
  node.kind = Node::Kind::Name;
  node.text = fact;
  node.span = node.op_span = span;
  return node;
}

bool is_rate(const Type& type) {
  return type.kind == Kind::Rate || (type.kind == Kind::List && type.element == Kind::Rate);
}

}  // namespace

// ---- limits ----

void RuleCompiler::limit() {
  LimitSpec limit;
  limit.charge_attempts = source_->charge_attempts.value_or(false);
  limit.count_exempt = source_->count_exempt;
  limit.fallback_percent = source_->fallback_percent;
  limit_count(limit);
  for (const Node& node : source_->key) {
    auto typed = TypeChecker(c_, place("key"), narrowing_).value(node);
    if (!typed) continue;
    if (typed->type.optional) {
      c_.findings.error("E502", node.span,
                        "key `" + render_expression(node) + "` may be none here: add `" +
                            render_expression(node) +
                            " is set` to when (otherwise all such mail shares one counter)");
      continue;
    }
    limit.key.push_back(add(std::move(*typed), node));
  }
  limit_maximum(limit);
  const std::string count = source_->distinct
                                ? "distinct " + key_expressions({*source_->distinct}, "count")
                            : source_->count ? source_->count->text
                                             : "messages";
  limit.state_key = state_key(count, source_->key);
  rule_.limit = std::move(limit);
}

void RuleCompiler::limit_count(LimitSpec& limit) {
  if (source_->distinct) {
    limit.count = CountOf::Distinct;
    limit.distinct = expression(*source_->distinct, "count");
    return;
  }
  if (!source_->count) return;
  const auto* known =
      std::find_if(std::begin(kCounts), std::end(kCounts),
                   [this](const CountName& c) { return c.name == source_->count->text; });
  if (known == std::end(kCounts)) return;
  limit.count = known->count;
  if (limit.count == CountOf::Messages && stage_ < mail::Stage::Mail)
    c_.findings.warning("W507", source_->count->whole(),
                        "asked once in a session: all its messages count as one; to count each "
                        "message use stage mail");
  if (limit.count != CountOf::Bytes || stage_ == mail::Stage::End) return;
  if (stage_ == mail::Stage::Mail)
    c_.findings.warning("W504", source_->count->whole(),
                        "bytes at mail is the SIZE that the client declared, or nothing; the real "
                        "size is known at end");
  else
    c_.findings.error("E501", source_->count->whole(),
                      "`count: bytes` needs stage end (or mail, for the declared SIZE)");
}

void RuleCompiler::limit_maximum(LimitSpec& limit) {
  if (source_->bucket) {
    limit.bucket_refill = source_->bucket->refill_value;
    limit.bucket_capacity = source_->bucket->capacity_value;
  }
  const Type hint = Type::of(Kind::Rate);
  for (const Node& node : source_->max) {
    auto typed = TypeChecker(c_, place("max"), narrowing_).value(node, &hint);
    if (!typed) continue;
    const bool single_list = typed->type.kind == Kind::List && source_->max.size() > 1;
    const bool number = typed->is_constant() && is_numeric(typed->type.kind);
    if (number) {
      c_.findings.error(
          "E211", node.span,
          "`" + node.text + "` has no period: a rate is written " + node.text + "/1h");
    } else if (!is_rate(typed->type) || single_list) {
      c_.findings.error("E203", node.span,
                        "`" + render_expression(node) + "` is " + type_name(typed->type) +
                            ", expected rate for `max`");
    } else if (typed->type.optional) {
      c_.findings.error("E206", node.span,
                        "`" + render_expression(node) + "` may be none here: write `" +
                            render_expression(node) +
                            (typed->type.kind == Kind::List ? " ?? [100/1h]`" : " ?? 100/1h`") +
                            ", or `is set` in when");
    } else {
      const Rate* rate = typed->constant.get_if<Rate>();
      if (rate && !rate->unlimited && rate->bytes != (limit.count == CountOf::Bytes))
        c_.findings.error(
            "E211", node.span,
            rate->bytes ? "`" + node.text + "` is a rate of bytes: `count` is not bytes"
                        : "`" + node.text + "` has no unit: a rate of bytes is written 20MB/1d");
      limit.max.push_back(add(std::move(*typed), node));
    }
  }
}

// ---- greylists ----

void RuleCompiler::greylist() {
  GreylistSpec greylist;
  std::vector<Node> key = source_->key;
  if (key.empty())
    for (const char* fact : {"client.net", "sender.address", "rcpt.address"})
      key.push_back(named(fact, source_->name_span));
  for (const Node& node : key) {
    // Behind rcpt one entry stands for the whole message.
    const bool all =
        node.kind == Node::Kind::Name && node.text == "rcpt.address" && stage_ > mail::Stage::Rcpt;
    greylist.key_all_recipients.push_back(all);
    greylist.key.push_back(all ? kNoExpr : expression(node, "key"));
  }
  greylist.delay = source_->delay.value_or(greylist.delay);
  greylist.retry_within = source_->retry_within.value_or(greylist.retry_within);
  if (greylist.delay >= greylist.retry_within)
    c_.findings.error("E503", source_->name_span,
                      "`delay` (" + render_duration(greylist.delay) +
                          ") must be shorter than `retry_within` (" +
                          render_duration(greylist.retry_within) + "): nobody could ever pass");
  greylist.remember = source_->remember.value_or(greylist.remember);
  greylist.at_data = source_->at_data;
  if (source_->auto_allow) {
    for (const Node& node : source_->auto_allow->key)
      greylist.auto_key.push_back(expression(node, "auto_allow"));
    greylist.auto_after = source_->auto_allow->after;
    greylist.auto_for = source_->auto_allow->keep;
  }
  greylist.state_key = state_key("", key);
  rule_.greylist = std::move(greylist);
}

// ---- scores, exemptions ----

void RuleCompiler::score() {
  if (!source_->add) return;
  auto typed = TypeChecker(c_, place("add"), narrowing_)
                   .value_of(*source_->add, {Kind::Int, Kind::Float}, "add");
  if (!typed) return;
  if (typed->type.optional) {
    const std::string shown = render_expression(*source_->add);
    c_.findings.error("E206", source_->add->span,
                      "`" + shown + "` may be none: write `" + shown + " ?? 0`");
    return;
  }
  rule_.score_add = add(std::move(*typed), *source_->add);
}

void RuleCompiler::exempt() {
  const bool connection = stage_ == mail::Stage::Connect || stage_ == mail::Stage::Helo ||
                          stage_ == mail::Stage::Command;
  const mail::Scope usual = connection                    ? mail::Scope::Connection
                            : stage_ == mail::Stage::Rcpt ? mail::Scope::Recipient
                                                          : mail::Scope::Transaction;
  rule_.exempt_scope = source_->scope.value_or(usual);
}

// ---- the bundle ----

std::optional<RecipientsSpec> RuleCompiler::compile_recipients() {
  const auto& written = c_.source.recipients;
  if (!written) return std::nullopt;
  RecipientsSpec spec;
  const auto word = [&](const std::optional<Scalar>& scalar,
                        const std::vector<std::string_view>& words, std::size_t usual) {
    if (!scalar) return usual;
    const auto at = std::find(words.begin(), words.end(), scalar->text);
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
    std::string all;
    for (const std::string_view w : words) all.append(all.empty() ? "" : ", ").append(w);
    c_.findings.error(
        "E205", scalar->whole(),
        "`" + scalar->text + "` is not one of " + all + did_you_mean(scalar->text, words));
    return usual;
  };
  spec.split_unauthenticated = word(written->split, {"never", "unauthenticated"}, 1) == 1;
  spec.mixed = static_cast<Mixed>(word(written->mixed, {"first", "strictest", "laxest"}, 0));
  for (const Scalar& name : written->order) spec.order.push_back(name.text);
  if (spec.mixed != Mixed::First && spec.order.empty())
    c_.findings.error(
        "E401", written->mixed->whole(),
        "`mixed: " + written->mixed->text + "` needs `order: [strictest, ..., laxest]`");
  if (!written->profile) return spec;
  TypeChecker checker(c_, {written->file, mail::Stage::Rcpt, true, false}, {});
  auto typed = checker.value_of(*written->profile,
                                {Kind::Text, Kind::Domain, Kind::Address, Kind::Enum}, "profile");
  if (!typed) return spec;
  const std::string shown = render_expression(*written->profile);
  if (typed->type.optional)
    c_.findings.error("E206", written->profile->span,
                      "the profile may be none: write `" + shown + " ?? \"normal\"`");
  else
    spec.profile = emitter_.add(std::move(*typed), shown);
  return spec;
}

void RuleCompiler::check_lets() {
  for (const LetSource& let : c_.source.lets) {
    if (!c_.names.let(let.file, let.name)) continue;
    Narrowing anything;
    anything.assume_anything();
    const std::size_t facts = c_.facts.size();
    TypeChecker(c_, {let.file, std::nullopt, true, false}, anything).value(let.expression);
    // What only this look named is not used by the program.
    while (c_.facts.size() > facts) {
      c_.fact_indices.erase(c_.facts.back().signature.name);
      c_.facts.pop_back();
    }
  }
}

}  // namespace sluice::policy
