#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "controller/http/http_types.h"

/// Errors as every door but WHIP and WHEP answers them (docs/api.md §1):
/// {"error": {"code", "status", "type", "message"}}, with "field" and more where there is more to
/// say. Texts may hold what a client sent: they are made printable and cut.
namespace sluice::controller {

/// What programs tell errors of a status apart by: "not_found" of 404.
std::string_view ErrorCode(int status);

/// `type`: a class of the room API (common/status.h) or a name of HTTP's. `more`: further members.
HttpResponse HttpError(int status, std::string_view type, std::string_view message,
                       const boost::json::object& more = {});
/// The same of a text "TYPE: MESSAGE".
HttpResponse HttpErrorText(int status, std::string_view text);

}  // namespace sluice::controller
