"""What the tests of templates share."""

from templates.template import Template, parse_template


def make_template(body: str, *, inputs: str = "{text: str}", header: str = "") -> Template:
    """Returns a template of a body; `header` is more YAML for its front matter. The body begins on line 5, or after `header`."""
    return parse_template(f"---\nname: mine/test\ninputs: {inputs}\n{header}---\n{body}", "mine.jinja")


def message(body: str) -> str:
    return f'{{% message "user" %}}{body}{{% endmessage %}}'
