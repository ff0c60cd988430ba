// HeaderPlan: what the header actions of all rules come to, and how it is said to an MTA.
//
// Actions work one after the other on the list of fields: `header` puts one behind all, `insert`
// before all, `set` changes the first of that name (or adds one), `remove` takes all of that name.
// The MTAs number fields of one name differently while they are being changed (Postfix renumbers at
// once, Sendmail does not; an added field counts for one and not for the other), so the fields that
// the message came with are changed and removed first, by their own numbers; then come the new ones.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "mail/session_view.h"
#include "mail/verdict.h"

namespace sluice::engine {

class HeaderPlan {
 public:
  explicit HeaderPlan(const mail::Message& message) : message_(message) {}

  void add(std::string name, std::string value);
  void insert(std::string name, std::string value);
  void set(const std::string& name, std::string value);
  void remove(const std::string& name);
  // Value of the first field of that name as it stands now; nullptr: there is none.
  const std::string* first(std::string_view name);

  // Appends the edits in the order in which both MTAs come to the same list.
  void append_to(std::vector<mail::Edit>& edits) const;

 private:
  // What has become of the fields of one name that the message came with.
  struct Own {
    std::string name;
    std::string first;  // value of the first
    bool is_changed = false, is_removed = false;
  };
  Own* own(std::string_view name);  // nullptr: the message has none, or none any more

  const mail::Message& message_;
  std::vector<Own> own_;                             // of names that were asked about
  std::vector<mail::Header> before_, behind_;  // before_: the last inserted is the first
};

}  // namespace sluice::engine
