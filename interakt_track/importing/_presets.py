"""What the columns of shops' own exports are.

Shopify: the headings of "Export customers" (admin, Customers, Export, CSV for spreadsheets)
as exports, and programs that read them, have them from 2023 to 2026. Customer IDs, postal codes and phone numbers
have a `'` before them, so that spreadsheets keep them as text; consents are `yes` or `no`; tags are `"a, b"`. Shopify's
help: "Customer CSV files".

WooCommerce: the headings of the customers report's "Download" (Analytics, Customers), which its source has in
`plugins/woocommerce/src/Admin/API/Reports/Customers/Controller.php`, `get_export_columns`; phones and the role are in
newer ones only. The others have no phone number: their user names are ids, and guests, who have neither, are told
as wrong rows.
"""

from __future__ import annotations

from ._mapping import Mapping

PRESETS: dict[str, Mapping] = {
    "shopify-customers": Mapping(
        fields={"Customer ID": "user_id", "Phone": "phone_number", "Tags": "tags"},
        traits={
            "First Name": "first_name",
            "Last Name": "last_name",
            "Email": "email",
            "Accepts Email Marketing": "accepts_email_marketing",
            "Accepts SMS Marketing": "accepts_sms_marketing",
            "Accepts WhatsApp Marketing": "accepts_whatsapp_marketing",
            "Default Address Company": "company",
            "Default Address Address1": "address1",
            "Default Address Address2": "address2",
            "Default Address City": "city",
            "Default Address Province Code": "province",
            "Default Address Country Code": "country",
            "Default Address Zip": "zip",
            "Default Address Phone": "address_phone",
            "Total Spent": "total_spent",
            "Total Orders": "total_orders",
            "Note": "note",
            "Tax Exempt": "tax_exempt",
        },
        kinds={
            "Accepts Email Marketing": "bool",
            "Accepts SMS Marketing": "bool",
            "Accepts WhatsApp Marketing": "bool",
            "Tax Exempt": "bool",
            "Total Spent": "float",
            "Total Orders": "int",
        },
        unquoted=frozenset({"Customer ID", "Phone", "Default Address Phone", "Default Address Zip"}),
        is_preset=True,
    ),
    "woocommerce-customers": Mapping(
        fields={"Username": "user_id", "Billing Phone": "phone_number", "Sign Up": "created_at"},
        traits={
            "Name": "name",
            "Last Active": "last_active",
            "Email": "email",
            "Orders": "orders",
            "Total Spend": "total_spend",
            "AOV": "average_order_value",
            "Country / Region": "country",
            "City": "city",
            "Region": "region",
            "Postal Code": "postal_code",
            "Shipping Phone": "shipping_phone",
            "Role": "role",
        },
        kinds={
            "Sign Up": "datetime",
            "Last Active": "datetime",
            "Orders": "int",
            "Total Spend": "float",
            "AOV": "float",
        },
        is_preset=True,
    ),
}
"""By the names that `--preset` takes; all of them are about customers."""
