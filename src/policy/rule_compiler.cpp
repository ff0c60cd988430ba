#include "policy/rule_compiler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/siphash.h"
#include "policy/action_parser.h"
#include "policy/reply_check.h"
#include "policy/template_compiler.h"

namespace sluice::policy {
namespace {

constexpr SipKey kRevisionKey{0x736c756963652d72, 0x65766973696f6e73};

constexpr std::string_view kGreylistText = "Greylisted, try again in {greylist.wait}";
constexpr std::string_view kLimitText = "Limit of {limit.max} reached, try again in {limit.wait}";

Scalar made_text(std::string_view text) {
  Scalar scalar;
  scalar.text = text;
  return scalar;
}

bool is_early(mail::Stage stage) {
  return stage == mail::Stage::Connect || stage == mail::Stage::Helo || stage == mail::Stage::Mail;
}

// What a greylist or limit answers without `then`.
ActionSource default_decision(const RuleSource& source) {
  ActionSource action;
  action.kind = ActionSource::Kind::Defer;
  action.code = 450;
  action.status = mail::EnhancedStatus{
      4, 7, static_cast<std::uint16_t>(source.kind == RuleKind::Limit ? 28 : 1)};
  action.span = action.code_span = action.status_span = source.name_span;
  return action;
}

}  // namespace

Place RuleCompiler::place(const char* key) const {
  return {source_->file_of(key), stage_, recipient_, false};
}

Rule RuleCompiler::compile(const RuleSource& source) {
  source_ = &source;
  rule_ = {};
  narrowing_ = {};
  const FileSource& file = c_.source.files[source.file];
  rule_.kind = source.kind;
  rule_.name = source.name;
  rule_.policy = file.policy;
  rule_.mode = source.mode.value_or(file.mode);
  rule_.enforce_percent = source.enforce_percent.value_or(100);
  rule_.is_protected = source.is_protected;
  rule_.for_each_rcpt = source.for_each_rcpt;
  rule_.tags = source.tags;
  rule_.on_error = source.on_error.value_or(file.on_error);
  rule_.reply_codes = file.reply_codes;
  rule_.origin = source.name_span;
  if (!source.stage) return std::move(rule_);  // said by the loader
  rule_.stage = stage_ = *source.stage;
  recipient_ = stage_ == mail::Stage::Rcpt || source.for_each_rcpt;
  emitter_.name_sites(c_.source.files.front().policy + "/" +
                      (source.was.empty() ? source.name : source.was));
  check_form();
  assume_conditions();
  condition();
  actions();
  texts();
  on_unknown();
  reply_stage();
  switch (source.kind) {
    case RuleKind::Rule:
      break;
    case RuleKind::Limit:
      limit();
      break;
    case RuleKind::Greylist:
      greylist();
      break;
    case RuleKind::Score:
      score();
      break;
    case RuleKind::Exempt:
      exempt();
      break;
  }
  rule_.seen_sites = emitter_.take_sites();
  rule_.rev =
      fmt::format("{:08x}", static_cast<std::uint32_t>(siphash13(kRevisionKey, normal_form())));
  return std::move(rule_);
}

ExprId RuleCompiler::add(Typed typed, const Node& node) {
  return emitter_.add(std::move(typed), render_expression(node));
}

ExprId RuleCompiler::expression(const Node& node, const char* key, const Type* hint) {
  auto typed = TypeChecker(c_, place(key), narrowing_).value(node, hint);
  return typed ? add(std::move(*typed), node) : kNoExpr;
}

TemplateId RuleCompiler::text(const Scalar& scalar, const char* key, bool lines) {
  return TemplateCompiler(c_, emitter_, place(key), narrowing_, source_->kind)
      .compile(scalar, lines);
}

// ---- conditions ----

void RuleCompiler::assume_conditions() {
  for (const Node& node : source_->when)
    narrowing_.assume(node, true, source_->file_of("when"), c_.names);
  for (const Node& node : source_->unless)
    narrowing_.assume(node, false, source_->file_of("unless"), c_.names);
  const bool unread = (source_->when.empty() && source_->origin.contains("when")) ||
                      (source_->unless.empty() && source_->origin.contains("unless"));
  if (unread) narrowing_.assume_anything();
}

void RuleCompiler::condition() {
  Typed all;
  all.node.op = Op::And;
  std::string shown;
  bool good = true;
  const auto take = [&](const Node& node, const char* key, bool negated) {
    auto typed = TypeChecker(c_, place(key), narrowing_).condition(node);
    good = good && typed;
    if (!typed) return;
    const bool plain = node.kind != Node::Kind::Or && !negated;
    shown += shown.empty() ? "" : " and ";
    shown += negated ? "not " : "";
    shown += plain ? render_expression(node) : "(" + render_expression(node) + ")";
    if (negated) {
      Typed negation;
      negation.node.op = Op::Not;
      negation.children.push_back(std::move(*typed));
      typed = std::move(negation);
    }
    all.children.push_back(std::move(*typed));
  };
  for (const Node& node : source_->when) take(node, "when", false);
  for (const Node& node : source_->unless) take(node, "unless", true);
  if (good && !all.children.empty())
    rule_.condition = emitter_.add(std::move(all), std::move(shown));
}

// ---- actions ----

void RuleCompiler::check_form() {
  if (source_->for_each_rcpt && stage_ < mail::Stage::Data)
    c_.findings.error("E302", source_->name_span,
                      "`for_each: rcpt` needs stage data, headers or end; at rcpt a rule is per "
                      "recipient already");
}

void RuleCompiler::actions() {
  for (const ActionSource& written : source_->then)
    if (is_deciding(written.kind))
      decision(written);
    else
      action(written);
  const bool stateful = source_->kind == RuleKind::Limit || source_->kind == RuleKind::Greylist;
  const bool unread =
      source_->then.empty() && (source_->then_given || source_->origin.contains("then"));
  if (stateful && source_->then.empty() && !unread) decision(default_decision(*source_));
}

void RuleCompiler::decision(const ActionSource& written) {
  if (source_->kind == RuleKind::Greylist && written.kind != ActionSource::Kind::Defer) {
    c_.findings.error("E403", written.span,
                      "a greylist asks to come back: write `defer 451 4.7.1`");
    return;
  }
  auto made = check_decision(written, rule_.reply_codes, c_.findings);
  if (made && written.text) made->reason = text(*written.text, "then");
  if (made) warn_about_reply(written);
  rule_.decision = made;
}

void RuleCompiler::warn_about_reply(const ActionSource& written) {
  SourceSpan start = written.span;
  start.length = 1;
  if (written.code == 421 && stage_ == mail::Stage::Rcpt)
    c_.findings.warning("W501", start,
                        "421 at rcpt closes the connection for all recipients; use defer 450/451");
  const bool refuses =
      written.kind == ActionSource::Kind::Reject || written.kind == ActionSource::Kind::Defer;
  if (written.kind == ActionSource::Kind::Discard && stage_ == mail::Stage::Rcpt)
    c_.findings.warning("W508", start,
                        "discard at rcpt loses the message for all its recipients; to leave out one "
                        "use `drop recipient` at end, with `for_each: rcpt`");
  if (refuses && stage_ == mail::Stage::Data && source_->then_given)
    c_.findings.warning("W505", start,
                        "refused at data: with `engine: libmilter` the client is told behind the dot, "
                        "after it sent the message; refuse at rcpt, or at end");
}

void RuleCompiler::check_edit_stage(const ActionSource& written) {
  constexpr ActionSource::Kind kAnywhere[] = {ActionSource::Kind::AddToList,
                                              ActionSource::Kind::RemoveFromList,
                                              ActionSource::Kind::Delay, ActionSource::Kind::Log};
  if (std::find(std::begin(kAnywhere), std::end(kAnywhere), written.kind) != std::end(kAnywhere))
    return;
  if (written.kind == ActionSource::Kind::DropRecipient && !source_->for_each_rcpt) {
    c_.findings.error("E401", written.span, "`drop recipient` needs `for_each: rcpt` in its rule");
  } else if (written.kind == ActionSource::Kind::DropRecipient) {
    SourceSpan start = written.span;
    start.length = 1;
    c_.findings.warning(
        "W506", start,
        "`drop recipient` can leave nobody: the client reads 250 and nothing is delivered");
  } else if (stage_ < mail::Stage::Mail) {
    c_.findings.error("E301", written.span,
                      "there is no message to change before stage mail; this rule runs at " +
                          std::string(mail::stage_name(stage_)));
  }
}

void RuleCompiler::action(const ActionSource& written) {
  check_edit_stage(written);
  RuleAction made;
  made.kind = written.kind;
  made.name = written.name;
  made.keep = written.keep;
  made.delay = written.delay;
  made.delay_each = written.delay_each;
  made.delay_max = written.delay_max;
  made.condition_negated = written.condition_negated;
  if (written.text)
    made.text = text(*written.text, "then", written.kind == ActionSource::Kind::Footer);
  if (written.condition) {
    auto typed = TypeChecker(c_, place("then"), narrowing_).condition(*written.condition);
    if (typed) made.condition = add(std::move(*typed), *written.condition);
  }
  if (written.value) list_action(written, made);
  rule_.actions.push_back(std::move(made));
}

void RuleCompiler::list_action(const ActionSource& written, RuleAction& made) {
  const std::size_t file = source_->file_of("then");
  const DeclaredList* list = c_.names.list(file, written.list);
  if (!list) {
    c_.findings.error("E204", written.list_span,
                      "unknown list `$" + written.list + "`" +
                          did_you_mean(written.list, c_.names.list_names_at(file)));
    return;
  }
  if (!list->source->dynamic) {
    c_.findings.error("E203", written.list_span,
                      "`$" + written.list + "` is not dynamic: nothing can be added or removed");
    return;
  }
  if (list->types.empty()) return;
  const Type element = Type::of(list->types.front());
  auto typed = TypeChecker(c_, place("then"), narrowing_).value(*written.value, &element);
  if (!typed) return;
  const bool fits = are_comparable(typed->type, element) ||
                    (element.kind == Kind::Cidr && typed->type.kind == Kind::Ip);
  if (!fits) {
    c_.findings.error("E203", written.value->span,
                      "`" + render_expression(*written.value) + "` is " + type_name(typed->type) +
                          ", `$" + written.list + "` holds " +
                          std::string(kind_name(element.kind)));
    return;
  }
  made.list = list->dynamic;
  made.value = add(std::move(*typed), *written.value);
}

void RuleCompiler::texts() {
  if (source_->text) rule_.text = text(*source_->text, "text");
  const bool replies = rule_.decision && rule_.decision->action != mail::Action::Quarantine &&
                       rule_.decision->action != mail::Action::Discard;
  if (!replies) return;
  if (!source_->text && source_->kind == RuleKind::Greylist)
    rule_.text = text(made_text(kGreylistText), "text");
  if (!source_->text && source_->kind == RuleKind::Limit)
    rule_.text = text(made_text(kLimitText), "text");
  if (const auto& help = c_.source.files[source_->file].help) rule_.help = text(*help, "help");
}

void RuleCompiler::on_unknown() {
  const FileSource& file = c_.source.files[source_->file];
  rule_.on_unknown = source_->on_unknown.value_or(file.on_unknown);
  if (!check_on_unknown(rule_.on_unknown, c_.findings)) return;
  const bool may_match =
      source_->kind == RuleKind::Exempt || (!rule_.decision && source_->kind == RuleKind::Rule);
  if (rule_.on_unknown.what != OnUnknown::What::Match || may_match) return;
  rule_.on_unknown = {};
  if (source_->on_unknown)
    c_.findings.error("E401", source_->on_unknown->span,
                      "`on_unknown: match` is for exemptions and for rules that decide nothing");
}

void RuleCompiler::reply_stage() {
  const ReplyAt at = source_->reply_at.value_or(c_.source.files[source_->file].reply_at);
  const bool answers = rule_.decision ? rule_.decision->action != mail::Action::Disconnect
                                      : source_->kind == RuleKind::Score;
  rule_.reply_at_rcpt = is_early(stage_) && at == ReplyAt::Rcpt && answers;
}

// ---- normal form ----

std::string RuleCompiler::key_expressions(const std::vector<Node>& nodes, const char* key) const {
  std::string text;
  for (const Node& node : nodes) {
    if (!text.empty()) text += ", ";
    text += render_expression(c_.names.expanded(node, source_->file_of(key)));
  }
  return text;
}

std::string RuleCompiler::state_key(const std::string& count,
                                    const std::vector<Node>& nodes) const {
  const std::string& name = source_->was.empty() ? source_->name : source_->was;
  return c_.source.files.front().policy + "/" + name + "/" +
         std::string(rule_kind_name(source_->kind)) + "/" + count + "/" +
         key_expressions(nodes, "key");
}

// Everything that makes the rule act as it does, lets written out, blanks and comments left out.
std::string RuleCompiler::normal_form() const {
  const RuleSource& r = *source_;
  std::string form = fmt::format(
      "{} {} stage={} mode={} percent={} protected={} each={} error={} unknown={} {} {} rcpt={}\n",
      rule_kind_name(r.kind), r.name, mail::stage_name(stage_), static_cast<int>(rule_.mode),
      rule_.enforce_percent, rule_.is_protected, rule_.for_each_rcpt,
      static_cast<int>(rule_.on_error), static_cast<int>(rule_.on_unknown.what),
      rule_.on_unknown.code.value_or(0),
      rule_.on_unknown.status ? rule_.on_unknown.status->to_string() : "", rule_.reply_at_rcpt);
  form +=
      "when " + key_expressions(r.when, "when") + "\nunless " + key_expressions(r.unless, "unless");
  for (const ActionSource& a : r.then) {
    form += fmt::format("\nthen {} {} {} {} {} {} {} {} {} {}", static_cast<int>(a.kind), a.code,
                        a.status ? a.status->to_string() : "", a.name, a.text ? a.text->text : "",
                        a.list, a.keep ? a.keep->count() : -1, a.delay.count(), a.delay_each,
                        a.delay_max ? a.delay_max->count() : -1);
    if (a.value) form += " " + key_expressions({*a.value}, "then");
    if (a.condition)
      form +=
          (a.condition_negated ? " unless " : " when ") + key_expressions({*a.condition}, "then");
  }
  form += "\ntext " + (r.text ? r.text->text : "") + "\nkey " + key_expressions(r.key, "key") +
          "\nmax " + key_expressions(r.max, "max");
  if (r.count) form += "\ncount " + r.count->text;
  if (r.bucket)
    form += fmt::format("\nbucket {} {}", r.bucket->capacity_value, r.bucket->refill.text);
  if (r.add) form += "\nadd " + key_expressions({*r.add}, "add");
  for (const SelectorSource& s : r.from)
    form += fmt::format("\nfrom {} {}", static_cast<int>(s.kind), s.text);
  for (const std::string& tag : r.tags) form += "\ntag " + tag;
  form +=
      fmt::format("\nstate {} {} {} {} {} {} {}", r.charge_attempts.value_or(false), r.count_exempt,
                  r.fallback_percent.value_or(100), r.delay ? r.delay->count() : -1,
                  r.retry_within ? r.retry_within->count() : -1,
                  r.remember ? r.remember->count() : -1, r.at_data);
  return form;
}

}  // namespace sluice::policy
