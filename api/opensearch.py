"""How a browser puts a question here: an OpenSearch description."""

from xml.etree import ElementTree

MEDIA = "application/opensearchdescription+xml"


def describe(base: str) -> bytes:
    """The description, of the page and of the feed of a question; `base` is the server's address, without a slash at its end.

    >>> b'template="http://127.0.0.1:8000/?q={searchTerms}"' in describe("http://127.0.0.1:8000")
    True
    """
    root = ElementTree.Element("OpenSearchDescription", {"xmlns": "http://a9.com/-/spec/opensearch/1.1/"})
    for name, text in {
        "ShortName": "filrouge",
        "Description": "Ask live blogs, in French or English. Poser une question aux directs, en français ou en anglais.",
        "Language": "fr",
        "InputEncoding": "UTF-8",
        "OutputEncoding": "UTF-8",
    }.items():
        ElementTree.SubElement(root, name).text = text
    ElementTree.SubElement(root, "Language").text = "en"
    for kind, template in {
        "text/html": "/?q={searchTerms}",
        "application/atom+xml": "/feed.atom?q={searchTerms}",
        "application/json": "/search?q={searchTerms}",
    }.items():
        ElementTree.SubElement(root, "Url", {"type": kind, "rel": "results", "template": base + template})
    own = {"type": MEDIA, "rel": "self", "template": f"{base}/opensearch.xml"}
    ElementTree.SubElement(root, "Url", own)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"
