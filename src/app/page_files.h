// The files of the page (src/app/page), compiled in by cmake/SluicePage.cmake.
#pragma once
#include <string_view>

namespace sluice::app {

std::string_view page_html();
std::string_view page_css();
std::string_view page_js();

}  // namespace sluice::app
