import Realtime
import Wire

extension RealtimePrivileges {
  /// `{"ready": …, "findings": [{subject, status, found, wanted, remedy}]}`.
  package var json: String {
    JSONWriter.text { json in
      json.object {
        $0.member("ready", isReady)
        $0.key("findings")
        $0.array(findings) { json, finding in
          json.object {
            $0.member("subject", finding.subject)
            $0.member("status", finding.status.rawValue)
            $0.member("found", finding.found)
            $0.member("wanted", finding.wanted)
            $0.member("remedy", finding.remedy)
          }
        }
      }
    }
  }
}
