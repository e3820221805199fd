"""Fill a page for looking at mails in a browser; the pages are the program's, not the reader's."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def page(name: str, **values: object) -> str:
    """Return one of the pages beside this module, everything in it escaped."""
    environment = Environment(
        loader=PackageLoader("newsletter.preview", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name).render(values)
