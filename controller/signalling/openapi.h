#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "controller/http/http_types.h"

namespace sluice::controller {

/// One operation of the HTTP APIs: a row of the table that the description is made of.
struct ApiOperation {
  std::string_view method;
  std::string_view path;  ///< with {names}
  std::string_view id;    ///< OpenAPI's operationId
  std::string_view summary;
  std::string_view statuses;  ///< that it answers, separated by spaces; the first is success
  std::string_view body;      ///< name of a schema; "" = none is read
  std::string_view answer;    ///< likewise; "" = nothing, or no JSON
};

/// Management API, REST broadcaster API, WHIP and WHEP, and pages for supervision.
const std::vector<ApiOperation>& ApiOperations();

/// Serves what programs and people read of the APIs: /api/v1/openapi.json (OpenAPI 3.1) and a page
/// of the same at /api/v1/. For everybody: it says nothing that this source does not.
class ApiDescription {
 public:
  static bool Owns(std::string_view path);
  /// Another method than GET and HEAD is 405.
  static HttpResponse Respond(const HttpRequest& request);

  static boost::json::object Document();
  static std::string Page();
};

}  // namespace sluice::controller
