#include "engine/edits.h"

#include <iterator>
#include <optional>

#include "base/text.h"
#include "base/utf8.h"
#include "engine/footer.h"
#include "engine/header_plan.h"
#include "mail/address.h"

namespace sluice::engine {

using mail::Edit;
using Kind = policy::ActionSource::Kind;

namespace {

constexpr std::size_t kOctetsOfWord =
    45;  // 60 letters of base 64: an encoded word has at most 75 (RFC 2047 2)

std::string base64(std::string_view bytes) {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out.push_back(k <= bytes.size() - i ? kLetters[(group >> (18 - 6 * k)) & 63] : '=');
  }
  return out;
}

std::string bare_path(const std::string& path) { return std::string(mail::strip_brackets(path)); }

class EditList {
 public:
  EditList(const mail::Message& message, const std::vector<mail::Recipient>& accepted)
      : message_(message), accepted_(accepted), fields_(message) {}

  void add(const PreparedAction& action) {
    switch (action.kind) {
      case Kind::Header:
        fields_.add(action.name, header_text(action.text));
        break;
      case Kind::InsertHeader:
        fields_.insert(action.name, header_text(action.text));
        break;
      case Kind::SetHeader:
        fields_.set(action.name, header_text(action.text));
        break;
      case Kind::RemoveHeader:
        fields_.remove(action.name);
        break;
      case Kind::SubjectPrefix:
        prefix(action.text);
        break;
      case Kind::DropRecipient:
        drop(action);
        break;
      case Kind::AddRecipient:
        push(Edit::Kind::AddRecipient, bare_path(action.text), {});
        break;
      case Kind::RedirectTo:
        redirect(action.text);
        break;
      case Kind::SetSender:
        push(Edit::Kind::SetSender, bare_path(action.text), {});
        break;
      case Kind::Footer:
        footer_ += (footer_.empty() || footer_.back() == '\n' ? "" : "\n") + action.text;
        break;
      default:
        break;  // no edit: lists, log
    }
  }
  std::vector<Edit> take() {
    std::vector<Edit> all;
    fields_.append_to(all);
    all.insert(all.end(), std::make_move_iterator(edits_.begin()),
               std::make_move_iterator(edits_.end()));
    // The front end replaces the body as a whole.
    if (auto body = footer_.empty() ? std::nullopt : body_with_footer(message_, footer_))
      all.push_back({Edit::Kind::Footer, {}, std::move(*body), 0});
    return all;
  }

 private:
  void push(Edit::Kind kind, std::string name, std::string value) {
    edits_.push_back({kind, std::move(name), std::move(value), 0});
  }
  void drop(const PreparedAction& action) {
    if (!action.name.empty()) return push(Edit::Kind::RemoveRecipient, bare_path(action.name), {});
    if (action.recipient < accepted_.size())
      push(Edit::Kind::RemoveRecipient, bare_path(accepted_[action.recipient].path), {});
  }
  void redirect(const std::string& to) {
    for (const mail::Recipient& recipient : accepted_)
      push(Edit::Kind::RemoveRecipient, bare_path(recipient.path), {});
    push(Edit::Kind::AddRecipient, bare_path(to), {});
  }
  void prefix(const std::string& text) {
    const std::string* subject = fields_.first("Subject");
    fields_.set("Subject", header_text(text) + (subject != nullptr ? *subject : std::string()));
  }

  const mail::Message& message_;
  const std::vector<mail::Recipient>& accepted_;
  HeaderPlan fields_;
  std::vector<Edit> edits_;  // of the envelope
  std::string footer_;                // of all rules, in their order
};

}  // namespace

std::string header_text(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    std::string_view part = utf8_prefix(text, kOctetsOfWord);
    if (part.empty()) part = text.substr(0, kOctetsOfWord);
    if (!out.empty()) out += "\n ";
    out += "=?UTF-8?B?" + base64(part) + "?=";
    text.remove_prefix(part.size());
  }
  // A blank between an encoded word and what follows belongs to the syntax; the one of the text is
  // inside.
  return out + " ";
}

std::vector<Edit> edits_of(const std::vector<PreparedAction>& actions, const mail::Message& message,
                           const std::vector<mail::Recipient>& accepted) {
  EditList list(message, accepted);
  for (const PreparedAction& action : actions) list.add(action);
  return list.take();
}

}  // namespace sluice::engine
