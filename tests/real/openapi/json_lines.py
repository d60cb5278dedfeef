# How the bodies of imports are sent, which Schemathesis does not know by itself.
import schemathesis


@schemathesis.serializer("application/jsonl")
def json_lines(context, value):
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogatepass")
